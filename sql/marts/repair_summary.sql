-- One row per strategy received after a breach (and 'none', 'any'): mean score before it, lowest after, and last known.
with

episodes as (
    select breach_id, n_strategies, trust_before_score, lowest_after_score, last_known_score from marts.repair_episodes
),

repairs as (
    select breach_id, strategy_id from core.breach_repairs
),

received as (
    select strategy_id as strategies_received, display_order from core.strategies
    union all
    select 'none', 0
    union all
    select 'any', 7
),

episode_groups as (
    select repairs.strategy_id as strategies_received, episodes.*
    from episodes
    inner join repairs using (breach_id)
    union all
    select case when n_strategies = 0 then 'none' else 'any' end, *
    from episodes
),

-- The three means are of the same breaches, those with an answer on both sides; decimals add up exactly.
measured as (
    select
        *,
        trust_before_score is not null and last_known_score is not null as has_trust,
        cast(trust_before_score as decimal(18, 9)) as before_score,
        cast(lowest_after_score as decimal(18, 9)) as lowest_score,
        cast(last_known_score as decimal(18, 9)) as last_score,
    from episode_groups
),

sums as (
    select
        strategies_received,
        count(*) as n_breaches,
        count(*) filter (where has_trust) as n_with_trust,
        sum(before_score) filter (where has_trust) as sum_before,
        sum(lowest_score) filter (where has_trust) as sum_lowest,
        sum(last_score) filter (where has_trust) as sum_last,
    from measured
    group by strategies_received
),

result as (
    select
        strategies_received,
        coalesce(sums.n_breaches, 0) as n_breaches,
        coalesce(sums.n_with_trust, 0) as n_with_trust,
        cast(sums.sum_before as double) / sums.n_with_trust as mean_before,
        cast(sums.sum_lowest as double) / sums.n_with_trust as mean_lowest,
        cast(sums.sum_last as double) / sums.n_with_trust as mean_last,
        cast(null as varchar) as suppressed_reason,
    from received
    left join sums using (strategies_received)
    order by received.display_order
)

select * from result
