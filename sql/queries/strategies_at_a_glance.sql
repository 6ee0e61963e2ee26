-- For each strategy: was it delivered, was it noticed, what would plain before/after say, and what is the honest estimate?
with

strategies as (
    select * from core.strategies
),

delivery as (
    select strategy_id, delivered_share, noticed_share
    from marts.strategy_summary
    where unit_level = 'organisation' and time_window = 'all'
),

naive as (
    select * from marts.strategy_effects
    where method = 'naive_before_after'
),

honest as (
    select * from marts.strategy_effects
    where is_primary
)

select
    strategies.strategy_id,
    strategies.strategy_name,
    delivery.delivered_share,
    delivery.noticed_share,
    naive.estimate as naive_estimate,
    honest.estimate,
    honest.low,
    honest.high,
    honest.verdict,
from strategies
left join delivery using (strategy_id)
left join naive using (strategy_id)
left join honest using (strategy_id)
order by strategies.display_order
