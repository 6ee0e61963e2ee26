-- One row per clinic, age band, channel and time to answer, last 12 months: answers on the primary scale, and sums of their scores.
with

calendar as (
    select primary_scale_id from core.calendar
),

windows as (
    select * from core.time_windows where time_window = 'last_12_months'
),

responses as (
    select
        responses.response_id,
        responses.visit_id,
        responses.clinic_id,
        responses.channel,
        responses.lag_days,
        windows.time_window,
    from core.responses as responses
    inner join windows on responses.experience_date between windows.window_start and windows.window_end
),

scores as (
    select
        scores.response_id,
        scores.scale_id,
        -- Decimals add up exactly, whatever the order of the threads.
        cast(scores.score as decimal(18, 9)) as score,
    from core.scores as scores
    inner join calendar on scores.scale_id = calendar.primary_scale_id
    where scores.is_scorable
),

scored as (
    select
        scores.scale_id,
        responses.time_window,
        responses.clinic_id,
        visits.age_band,
        responses.channel,
        case
            when responses.lag_days is null then null
            when responses.lag_days <= 7 then '0-7 days'
            when responses.lag_days <= 30 then '8-30 days'
            else '31 days or more'
        end as lag_group,
        scores.score,
    from responses
    inner join scores using (response_id)
    left join core.visits as visits using (visit_id)
),

result as (
    select
        scale_id,
        time_window,
        clinic_id,
        age_band,
        channel,
        lag_group,
        count(*) as n_responses,
        cast(sum(score) as double) as sum_score,
        cast(sum(score * score) as double) as sum_square,
    from scored
    group by all
    order by clinic_id, age_band, channel, lag_group
)

select * from result
