-- One row per intervention that names a breach which is not on record.
with

interventions as (
    select intervention_id, breach_id from core.interventions where breach_id is not null
),

breaches as (
    select breach_id from core.breaches
),

offenders as (
    select 'interventions' as feed, interventions.intervention_id as row_key
    from interventions
    anti join breaches using (breach_id)
)

select * from offenders
