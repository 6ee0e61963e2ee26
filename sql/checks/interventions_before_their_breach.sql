-- One row per intervention that began before the breach it names: a repair cannot come first.
with

interventions as (
    select intervention_id, breach_id, start_date from core.interventions
),

breaches as (
    select breach_id, breach_date from core.breaches
),

offenders as (
    select 'interventions' as feed, interventions.intervention_id as row_key
    from interventions
    inner join breaches using (breach_id)
    where interventions.start_date < breaches.breach_date
)

select * from offenders
