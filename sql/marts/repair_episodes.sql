-- One row per breach: what was done about it, and that patient's score in the 12 months before and the 12 months after.
with

breaches as (
    select breach_id, patient_id, clinic_id, breach_date, breach_kind, severity from core.breaches
),

calendar as (
    select primary_scale_id from core.calendar
),

scored as (
    select responses.patient_id, responses.response_id, responses.experience_date, scores.score
    from core.scores as scores
    inner join calendar on scores.scale_id = calendar.primary_scale_id
    inner join core.responses as responses using (response_id)
    where scores.is_scorable
),

repairs as (
    select
        breach_repairs.breach_id,
        string_agg(breach_repairs.strategy_id, ' + ' order by strategies.display_order) as strategies,
        count(*) as n_strategies,
        min(breach_repairs.first_repair_days) as first_repair_days,
    from core.breach_repairs as breach_repairs
    inner join core.strategies as strategies using (strategy_id)
    group by breach_repairs.breach_id
),

-- An answer about a visit on the day of the breach was given after it, so it counts as after.
before as (
    select
        breaches.breach_id,
        arg_max(scored.score, (scored.experience_date, scored.response_id)) as trust_before_score,
        count(*) as n_before,
    from breaches
    inner join scored using (patient_id)
    where
        scored.experience_date < breaches.breach_date
        and scored.experience_date >= breaches.breach_date - interval 12 months
    group by breaches.breach_id
),

after as (
    select
        breaches.breach_id,
        min(scored.score) as lowest_after_score,
        arg_max(scored.score, (scored.experience_date, scored.response_id)) as last_known_score,
        arg_min(scored.experience_date, (scored.score, scored.experience_date)) as lowest_date,
        max(scored.experience_date) as last_date,
        count(*) as n_after,
    from breaches
    inner join scored using (patient_id)
    where
        scored.experience_date >= breaches.breach_date
        and scored.experience_date <= breaches.breach_date + interval 12 months
    group by breaches.breach_id
),

episodes as (
    select
        breaches.breach_id,
        breaches.patient_id,
        breaches.clinic_id,
        breaches.breach_date,
        breaches.breach_kind,
        breaches.severity,
        coalesce(repairs.strategies, 'none') as strategies,
        coalesce(repairs.n_strategies, 0) as n_strategies,
        repairs.first_repair_days,
        before.trust_before_score,
        after.lowest_after_score,
        after.last_known_score,
        after.lowest_date - breaches.breach_date as days_to_lowest,
        after.last_date - breaches.breach_date as days_to_last,
        coalesce(before.n_before, 0) as n_before,
        coalesce(after.n_after, 0) as n_after,
    from breaches
    left join repairs using (breach_id)
    left join before using (breach_id)
    left join after using (breach_id)
)

select * from episodes
