-- One row per breach and strategy that was applied to that patient after it: when it began and whether it was kept up.
with

breaches as (
    select breach_id, patient_id, provider_id, clinic_id, breach_date from core.breaches
),

interventions as (
    select intervention_id, strategy_id, unit_level, patient_id, breach_id, start_date from core.interventions
),

kept_commitments as (
    select commitment_id, breach_id, kept_date
    from core.commitments
    where commitment_status = 'kept' and breach_id is not null
),

calendar as (
    select as_of_date from core.calendar
),

named as (
    select breaches.breach_id, interventions.strategy_id, interventions.start_date as contact_date
    from interventions
    inner join breaches using (breach_id)
    where interventions.start_date >= breaches.breach_date
),

-- Where no breach is named, the act repairs the patient's latest breach of the 180 days before it: one act, one breach.
unnamed as (
    select
        arg_max(breaches.breach_id, (breaches.breach_date, breaches.breach_id)) as breach_id,
        any_value(interventions.strategy_id) as strategy_id,
        any_value(interventions.start_date) as contact_date,
    from interventions
    inner join breaches
        on interventions.patient_id = breaches.patient_id
        and interventions.start_date >= breaches.breach_date
        and interventions.start_date <= breaches.breach_date + 180
    where interventions.unit_level = 'patient' and interventions.breach_id is null
    group by interventions.intervention_id
),

promised as (
    select breaches.breach_id, 'follow_through' as strategy_id, kept_commitments.kept_date as contact_date
    from kept_commitments
    inner join breaches using (breach_id)
    where kept_commitments.kept_date >= breaches.breach_date
),

contacts as (
    select
        breaches.*,
        acts.strategy_id,
        acts.contact_date,
        acts.contact_date - coalesce(
            lag(acts.contact_date) over (
                partition by acts.breach_id, acts.strategy_id order by acts.contact_date
            ),
            breaches.breach_date
        ) as gap_days,
    from (select * from named union all select * from unnamed union all select * from promised) as acts
    inner join breaches using (breach_id)
),

repairs as (
    select
        breach_id,
        patient_id,
        provider_id,
        clinic_id,
        breach_date,
        strategy_id,
        min(contact_date) as first_date,
        min(contact_date) - breach_date as first_repair_days,
        count(*) as n_contacts,
        count(*) filter (where contact_date <= breach_date + 90) as n_early_contacts,
        greatest(
            max(gap_days) filter (where contact_date <= breach_date + 90),
            breach_date + 90 - max(contact_date) filter (where contact_date <= breach_date + 90)
        ) as longest_gap_days,
    from contacts
    group by breach_id, patient_id, provider_id, clinic_id, breach_date, strategy_id
),

judged as (
    select
        repairs.breach_id,
        repairs.patient_id,
        repairs.provider_id,
        repairs.clinic_id,
        repairs.breach_date,
        repairs.strategy_id,
        repairs.first_date,
        repairs.first_repair_days,
        repairs.n_contacts,
        case
            when repairs.strategy_id <> 'communication' then true
            when repairs.breach_date + 90 > calendar.as_of_date then null
            else repairs.n_early_contacts >= 3 and repairs.longest_gap_days <= 30
        end as is_delivered,
    from repairs
    cross join calendar
)

select * from judged
