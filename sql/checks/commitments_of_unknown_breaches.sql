-- One row per commitment that names a breach which is not on record.
with

commitments as (
    select commitment_id, breach_id from core.commitments where breach_id is not null
),

breaches as (
    select breach_id from core.breaches
),

offenders as (
    select 'commitments' as feed, commitments.commitment_id as row_key
    from commitments
    anti join breaches using (breach_id)
)

select * from offenders
