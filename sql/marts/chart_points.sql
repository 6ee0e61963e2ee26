-- One row per control chart and month: the value or count that is charted, what it is out of, and its segment.
with

calendar as (
    select primary_scale_id from core.calendar
),

-- Several things may change in one month: one break.
breaks as (
    select unit_level, unit_id, period_start, string_agg(sentence, ' ' order by break_kind) as break_reason
    from marts.breaks
    group by all
),

trust as (
    select trust_by_period.*
    from marts.trust_by_period as trust_by_period
    inner join calendar on trust_by_period.scale_id = calendar.primary_scale_id
    where trust_by_period.unit_level in ('organisation', 'clinic')
),

delivery as (
    select * from marts.strategy_delivery
),

scores as (
    select
        unit_level || ':' || unit_id || ':' || scale_id as chart_id,
        unit_level,
        unit_id,
        'mean_score' as measure,
        cast(null as varchar) as strategy_id,
        period_start,
        mean_score as value,
        cast(null as bigint) as n_counted,
        n_responses as n,
        response_share,
        true as is_answered,
    from trust
    where mean_score is not null
),

noticed as (
    select
        'organisation:all:noticed:' || strategy_id as chart_id,
        unit_level,
        unit_id,
        'noticed_share' as measure,
        strategy_id,
        period_start,
        noticed_share as value,
        noticed_n as n_counted,
        n_noticed_answers as n,
        trust.response_share,
        true as is_answered,
    from delivery
    left join trust using (unit_level, unit_id, period_start)
    where unit_level = 'organisation' and n_noticed_answers > 0
),

delivered as (
    select
        'organisation:all:delivered:' || strategy_id as chart_id,
        unit_level,
        unit_id,
        'delivered_share' as measure,
        strategy_id,
        period_start,
        delivered_share as value,
        delivered_n as n_counted,
        eligible_n as n,
        cast(null as double) as response_share,
        false as is_answered,
    from delivery
    where unit_level = 'organisation' and strategy_id <> 'follow_through' and eligible_n > 0 and delivered_n is not null
),

-- What is delivered of follow-through are promises kept on time.
kept as (
    select
        unit_level || ':' || unit_id || ':kept' as chart_id,
        unit_level,
        unit_id,
        'kept_share' as measure,
        strategy_id,
        period_start,
        delivered_share as value,
        delivered_n as n_counted,
        eligible_n as n,
        cast(null as double) as response_share,
        false as is_answered,
    from delivery
    where
        unit_level in ('organisation', 'clinic')
        and strategy_id = 'follow_through'
        and eligible_n > 0
        and delivered_n is not null
),

points as (
    select * from scores
    union all
    select * from noticed
    union all
    select * from delivered
    union all
    select * from kept
),

-- How answers are collected says nothing about what was done: only what patients say has breaks.
segmented as (
    select
        points.* exclude (is_answered),
        cast(1 + count(breaks.period_start) as integer) as segment,
        max_by(breaks.break_reason, breaks.period_start) as break_reason,
    from points
    left join breaks
        on points.is_answered
        and points.unit_level = breaks.unit_level
        and points.unit_id = breaks.unit_id
        and points.period_start >= breaks.period_start
    group by all
),

result as (
    select * from segmented order by chart_id, period_start
)

select * from result
