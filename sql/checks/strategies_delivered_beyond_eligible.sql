-- One row per strategy, unit and month with more deliveries than there were occasions for it.
-- Stops the run.
with

delivery as (
    select strategy_id, unit_level, unit_id, period_start, delivered_n, eligible_n from marts.strategy_delivery
),

offenders as (
    select
        'marts.strategy_delivery' as feed,
        strategy_id || ':' || unit_level || ':' || unit_id || ':' || period_start as row_key,
    from delivery
    where delivered_n > eligible_n
)

select * from offenders
