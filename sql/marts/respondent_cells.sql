-- One row per month, clinic and age band while the primary scale is in use: visits, answers about them, and sums of their scores.
with

calendar as (
    select primary_scale_id from core.calendar
),

-- The months in which people were asked.
months as (
    select trust.period_start
    from marts.trust_by_period as trust
    inner join calendar on trust.scale_id = calendar.primary_scale_id
    where trust.unit_level = 'organisation' and trust.n_invited is not null
),

visits as (
    select visit_id, clinic_id, age_band, cast(date_trunc('month', visit_date) as date) as period_start
    from core.visits
),

-- Decimals add up exactly, so the same answers give the same sums whatever the order of the threads.
scores as (
    select scores.response_id, cast(scores.score as decimal(18, 9)) as score
    from core.scores as scores
    inner join calendar on scores.scale_id = calendar.primary_scale_id
    where scores.is_scorable
),

answers as (
    select responses.visit_id, scores.score
    from core.responses as responses
    inner join scores using (response_id)
    where responses.lag_days is not null
),

visit_cells as (
    select period_start, clinic_id, age_band, count(*) as n_invited
    from visits
    group by all
),

answer_cells as (
    select
        visits.period_start,
        visits.clinic_id,
        visits.age_band,
        count(*) as n_visits_answered,
        sum(answers.score) as sum_score,
        sum(answers.score * answers.score) as sum_square,
    from answers
    inner join visits using (visit_id)
    group by all
),

result as (
    select
        calendar.primary_scale_id as scale_id,
        visit_cells.period_start,
        visit_cells.clinic_id,
        visit_cells.age_band,
        visit_cells.n_invited,
        coalesce(answer_cells.n_visits_answered, 0) as n_visits_answered,
        cast(coalesce(answer_cells.sum_score, 0) as double) as sum_score,
        cast(coalesce(answer_cells.sum_square, 0) as double) as sum_square,
    from visit_cells
    inner join months using (period_start)
    left join answer_cells
        on visit_cells.period_start = answer_cells.period_start
        and visit_cells.clinic_id is not distinct from answer_cells.clinic_id
        and visit_cells.age_band is not distinct from answer_cells.age_band
    cross join calendar
    order by visit_cells.period_start, visit_cells.clinic_id, visit_cells.age_band
)

select * from result
