-- One row per strategy and breach, provider or clinic it began for: the first day of it.
-- At level patient the unit is the breach that was repaired. Where no breach is named, the act belongs to the patient's
-- latest breach of the 180 days before it.
with

interventions as (
    select * from core.interventions
),

breaches as (
    select
        breach_id,
        patient_id,
        breach_date,
        lead(breach_date) over (partition by patient_id order by breach_date, breach_id) as next_breach_date,
    from core.breaches
),

acts_after_breach as (
    select interventions.strategy_id, breaches.breach_id, interventions.start_date,
    from interventions
    inner join breaches using (breach_id)
    where interventions.unit_level = 'patient' and interventions.start_date >= breaches.breach_date
    union all
    select interventions.strategy_id, breaches.breach_id, interventions.start_date,
    from interventions
    inner join breaches using (patient_id)
    where interventions.unit_level = 'patient'
        and interventions.breach_id is null
        and interventions.start_date >= breaches.breach_date
        and interventions.start_date <= breaches.breach_date + 180
        and interventions.start_date < coalesce(breaches.next_breach_date, date '9999-12-31')
),

final as (
    select strategy_id, unit_level, unit_id, min(start_date) as start_date,
    from interventions
    where unit_level <> 'patient' and unit_id is not null
    group by all
    union all
    select strategy_id, 'patient' as unit_level, cast(breach_id as varchar) as unit_id, min(start_date) as start_date,
    from acts_after_breach
    group by all
)

select * from final
