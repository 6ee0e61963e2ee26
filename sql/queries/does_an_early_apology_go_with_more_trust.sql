-- After which waiting time for an apology is the last known trust closest to what it was before the breach?
-- A description, not an effect: breaches that were apologised for early may differ in other ways.
with

apologies as (
    select
        breach_id,
        case
            when first_repair_days <= 7 then '1: within a week'
            when first_repair_days <= 30 then '2: within 30 days'
            else '3: later'
        end as waiting_time,
    from core.breach_repairs
    where strategy_id = 'apology'
),

episodes as (
    select * from marts.repair_episodes
    where trust_before_score is not null and last_known_score is not null
),

compared as (
    select
        coalesce(apologies.waiting_time, '4: no apology') as waiting_time,
        count(*) as n_breaches,
        avg(episodes.trust_before_score) as mean_before,
        avg(episodes.lowest_after_score) as mean_lowest,
        avg(episodes.last_known_score) as mean_last,
    from episodes
    left join apologies using (breach_id)
    group by 1
)

select * from compared
order by waiting_time
