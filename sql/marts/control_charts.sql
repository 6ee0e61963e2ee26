-- One row per chart and month: the mean score of the primary scale with XmR limits and the rule it breaks, if any.
-- Rules and their order are those of NHS "Making Data Count" as its Excel tool applies them (no screening of outliers).
with

calendar as (
    select primary_scale_id from core.calendar
),

breaks as (
    select distinct subject, period_start
    from marts.data_quality
    where check_id = 'break_in_collection' and status = 'break'
),

points as (
    select
        trust.unit_level,
        trust.unit_id,
        trust.scale_id,
        trust.period_start,
        trust.mean_score as value,
        trust.n_responses as n,
    from marts.trust_by_period as trust
    inner join calendar on trust.scale_id = calendar.primary_scale_id
    where trust.unit_level in ('organisation', 'clinic') and trust.mean_score is not null
),

-- Limits never reach across a break in collection: every break starts a segment.
segments as (
    select
        points.*,
        cast(1 + count(breaks.period_start) as integer) as segment,
    from points
    left join breaks
        on points.unit_id = breaks.subject
        and points.period_start >= breaks.period_start
    group by all
),

moves as (
    select
        *,
        value - lag(value) over series as step,
        row_number() over series as position,
    from segments
    window series as (partition by unit_level, unit_id, scale_id, segment order by period_start)
),

centres as (
    select
        *,
        avg(value) over whole as centre,
        avg(abs(step)) over whole as mean_moving_range,
        count(*) over whole as n_points,
    from moves
    -- The order of the frame is the order of adding up, which makes the last digit the same in every run.
    window whole as (
        partition by unit_level, unit_id, scale_id, segment
        order by period_start
        rows between unbounded preceding and unbounded following
    )
),

limits as (
    select
        *,
        centre - 2.66 * mean_moving_range as lower_limit,
        centre + 2.66 * mean_moving_range as upper_limit,
        -- A mean is exact to about 14 figures only: nearer than this is on the line, and breaks a run.
        case when abs(value - centre) < 1e-9 then 0 else sign(value - centre) end as side,
        sign(step) as step_side,
    from centres
),

-- Close: beyond two thirds of the way to a limit, but not outside it.
places as (
    select
        *,
        case
            when value > upper_limit and side = 1 then 1
            when value < lower_limit and side = -1 then -1
            else 0
        end as outside,
        case
            when value > upper_limit or value < lower_limit then 0
            when abs(value - centre) > 2.66 * mean_moving_range * 2 / 3 then side
            else 0
        end as close,
    from limits
),

-- Each pattern as seen at its last point.
ends as (
    select
        *,
        case when abs(sum(step_side) over six) = 6 and position >= 7 then step_side end as trend_end,
        case when abs(sum(side) over seven) = 7 then side end as run_end,
        case when abs(sum(side) over three) = 3 and abs(sum(close) over three) >= 2 then side end as near_end,
    from places
    window
        series as (partition by unit_level, unit_id, scale_id, segment order by period_start),
        six as (series rows between 5 preceding and current row),
        seven as (series rows between 6 preceding and current row),
        three as (series rows between 2 preceding and current row)
),

-- A pattern marks all its points; where two trends share a point, the later one names it.
patterns as (
    select
        *,
        last_value(trend_end ignore nulls) over (series rows between current row and 6 following) as trend,
        max(run_end) over (series rows between current row and 6 following) as run_high,
        min(run_end) over (series rows between current row and 6 following) as run_low,
        max(abs(near_end)) over (series rows between current row and 2 following) as near,
    from ends
    window series as (partition by unit_level, unit_id, scale_id, segment order by period_start)
),

result as (
    select
        unit_level || ':' || unit_id || ':' || scale_id as chart_id,
        unit_level,
        unit_id,
        'mean_score' as measure,
        'xmr' as kind,
        period_start,
        value,
        n,
        centre,
        lower_limit,
        upper_limit,
        case
            when outside = 1 then 'above_limit'
            when outside = -1 then 'below_limit'
            when trend = 1 then 'trend_up'
            when trend = -1 then 'trend_down'
            when close = 1 and near = 1 then 'two_in_three_high'
            when close = -1 and near = 1 then 'two_in_three_low'
            when run_high = 1 then 'shift_high'
            when run_low = -1 then 'shift_low'
            else 'none'
        end as special_cause,
        segment,
        n_points < 12 as is_trial,
        cast(null as varchar) as suppressed_reason,
    from patterns
    order by chart_id, period_start
)

select * from result
