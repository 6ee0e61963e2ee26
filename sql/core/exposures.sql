-- One row per response: which strategies were in force for it, whether begun for the patient's latest breach, for the provider or for the clinic.
with

responses as (
    select response_id, patient_id, provider_id, clinic_id, experience_date from core.responses
),

-- A breach is the latest one until the same patient's next.
breaches as (
    select
        breach_id,
        patient_id,
        breach_date,
        lead(breach_date, 1, date '9999-12-31') over (
            partition by patient_id order by breach_date, breach_id
        ) as next_breach_date,
    from core.breaches
),

starts as (
    select
        unit_level,
        unit_id,
        try_cast(unit_id as uuid) as record_id,
        min(start_date) filter (where strategy_id = 'apology') as apology,
        min(start_date) filter (where strategy_id = 'communication') as communication,
        min(start_date) filter (where strategy_id = 'transparency') as transparency,
        min(start_date) filter (where strategy_id = 'expectations') as expectations,
        min(start_date) filter (where strategy_id = 'follow_through') as follow_through,
        min(start_date) filter (where strategy_id = 'empathy') as empathy,
    from core.strategy_starts
    group by all
),

of_breach as (
    select breaches.patient_id, breaches.breach_date, breaches.next_breach_date, starts.* exclude (unit_level, unit_id, record_id)
    from breaches
    left join starts on starts.unit_level = 'patient' and starts.record_id = breaches.breach_id
),

final as (
    select
        responses.response_id,
        coalesce(least(b.apology, p.apology, c.apology) <= responses.experience_date, false) as is_under_apology,
        coalesce(least(b.communication, p.communication, c.communication) <= responses.experience_date, false)
            as is_under_communication,
        coalesce(least(b.transparency, p.transparency, c.transparency) <= responses.experience_date, false)
            as is_under_transparency,
        coalesce(least(b.expectations, p.expectations, c.expectations) <= responses.experience_date, false)
            as is_under_expectations,
        coalesce(least(b.follow_through, p.follow_through, c.follow_through) <= responses.experience_date, false)
            as is_under_follow_through,
        coalesce(least(b.empathy, p.empathy, c.empathy) <= responses.experience_date, false) as is_under_empathy,
    from responses
    left join of_breach as b
        on responses.patient_id = b.patient_id
        and responses.experience_date >= b.breach_date
        and responses.experience_date < b.next_breach_date
    left join starts as p on p.unit_level = 'provider' and p.record_id = responses.provider_id
    left join starts as c on c.unit_level = 'clinic' and c.unit_id = responses.clinic_id
)

select * from final
