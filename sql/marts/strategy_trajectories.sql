-- One row per strategy, side (treated, comparison) and event time from -12 to 12 months: the trust both sides reported.
-- Providers and clinics: months before and since the start. Patients: 0 and later are months since the repair; -1 is all
-- the time between the breach and the repair; -2 to -12 are the months before the breach (-2 the last of them), so that
-- a reader sees the level before, the fall, and what came after.
-- The comparison is those who had not begun by then, in the same calendar month (for patients: at the same time since the
-- breach, in the same stratum), weighted as the treated are. Treated answers with nobody to compare with are left out.
-- low and high: 95 %, by cluster, Student's t (Cornish-Fisher approximation), from four clusters on. n_patients of a
-- comparison of providers or clinics is that of its fullest month: at least so many different people.
with

cells as (
    select
        *,
        case
            when unit_level <> 'patient' or is_started then period - cohort
            when period >= 0 then -1
            else period - 1
        end as event_time,
    from marts.strategy_cells
    where n_responses > 0
),

own_levels as (
    select strategy_id, unit_id
    from cells
    where unit_level <> 'patient' or period < 0
    group by all
),

usable as (
    select cells.*
    from cells
    semi join own_levels using (strategy_id, unit_id)
    where cells.is_started or cells.unit_level = 'patient' or cells.period is distinct from cells.cohort
),

treated_rows as (
    select * from usable
    where cohort is not null and event_time between -12 and 12
),

waiting_rows as (
    select * from usable
    where not is_started
),

waiting_groups as (
    select strategy_id, stratum, cohort, period, sum(n_responses) as n, sum(sum_score) as total,
    from waiting_rows
    group by all
),

treated_groups as (
    select strategy_id, stratum, cohort, period, event_time, sum(n_responses) as n,
    from treated_rows
    group by all
),

-- Each treated group and those who had not begun when it did, nor by then.
pairs as (
    select
        treated_groups.strategy_id,
        treated_groups.event_time,
        treated_groups.stratum,
        treated_groups.period,
        treated_groups.cohort as treated_cohort,
        waiting_groups.cohort as waiting_cohort,
        treated_groups.n as n_treated,
        sum(waiting_groups.n) over by_treated_group as n_comparison,
        sum(waiting_groups.total) over by_treated_group as total_comparison,
    from treated_groups
    inner join waiting_groups
        on waiting_groups.strategy_id = treated_groups.strategy_id
        and waiting_groups.stratum = treated_groups.stratum
        and waiting_groups.period = treated_groups.period
        and (waiting_groups.cohort is null or waiting_groups.cohort > treated_groups.cohort)
    window by_treated_group as (
        partition by
            treated_groups.strategy_id,
            treated_groups.event_time,
            treated_groups.stratum,
            treated_groups.period,
            treated_groups.cohort
    )
),

compared_groups as (
    select strategy_id, event_time, stratum, period, treated_cohort as cohort,
    from pairs
    group by all
),

comparison_groups as (
    select
        strategy_id,
        event_time,
        stratum,
        period,
        waiting_cohort as cohort,
        sum(n_treated / n_comparison) as weight,
        sum(n_treated * total_comparison / n_comparison ** 2) as weighted_mean,
    from pairs
    group by all
),

-- An answer counts once on the treated side, and as many times as its weight says on the other. `expected` is what the
-- answers of a row would sum to if they were like the mean they are part of.
treated_side as (
    select
        treated_rows.*,
        'treated' as comparison_group,
        treated_rows.n_responses::double as weight,
        treated_rows.sum_score as weighted_score,
    from treated_rows
    semi join compared_groups using (strategy_id, event_time, stratum, period, cohort)
),

comparison_side as (
    select
        waiting_rows.* replace (comparison_groups.event_time as event_time),
        'comparison' as comparison_group,
        waiting_rows.n_responses * comparison_groups.weight as weight,
        waiting_rows.sum_score * comparison_groups.weight as weighted_score,
        waiting_rows.n_responses * comparison_groups.weighted_mean as expected,
    from comparison_groups
    inner join waiting_rows
        on waiting_rows.strategy_id = comparison_groups.strategy_id
        and waiting_rows.stratum = comparison_groups.stratum
        and waiting_rows.period = comparison_groups.period
        and waiting_rows.cohort is not distinct from comparison_groups.cohort
),

treated_means as (
    select strategy_id, event_time, sum(weighted_score) / sum(weight) as mean_score,
    from treated_side
    group by all
),

sides as (
    select treated_side.*, treated_side.weight * treated_means.mean_score as expected,
    from treated_side
    inner join treated_means using (strategy_id, event_time)
    union all by name
    select * from comparison_side
),

clusters as (
    select
        strategy_id,
        unit_level,
        comparison_group,
        event_time,
        cluster_id,
        sum(n_responses) as n_responses,
        sum(weight) as weight,
        sum(weighted_score) as weighted_score,
        sum(weighted_score) - sum(expected) as deviation,
    from sides
    group by all
),

months as (
    select strategy_id, comparison_group, event_time, period, sum(n_patients) as n_patients,
    from sides
    group by all
),

patients as (
    select
        strategy_id,
        comparison_group,
        event_time,
        sum(n_patients) as n_added_up,
        max(n_patients) as n_fullest,
    from months
    group by all
),

measured as (
    select
        strategy_id,
        unit_level,
        comparison_group,
        event_time,
        count(*) as n_clusters,
        count(*) - 1 as freedom,
        sum(n_responses)::bigint as n_responses,
        sum(weighted_score) / sum(weight) as mean_score,
        sqrt(sum(deviation ** 2) * n_clusters / nullif(freedom, 0)) / sum(weight) as std_error,
    from clusters
    group by strategy_id, unit_level, comparison_group, event_time
),

with_reach as (
    select
        *,
        case
            when freedom >= 3
                then std_error * (1.959964 + 2.372271 / freedom + 2.822502 / freedom ** 2 + 2.555851 / freedom ** 3)
        end as reach,
    from measured
),

final as (
    select
        with_reach.strategy_id,
        with_reach.comparison_group,
        with_reach.event_time::integer as event_time,
        case
            when with_reach.unit_level = 'patient' then with_reach.n_clusters
            when with_reach.comparison_group = 'treated' then patients.n_added_up
            else patients.n_fullest
        end::bigint as n_patients,
        with_reach.n_responses,
        with_reach.mean_score,
        case when with_reach.reach is not null then greatest(0, with_reach.mean_score - with_reach.reach) end as low,
        case when with_reach.reach is not null then least(100, with_reach.mean_score + with_reach.reach) end as high,
        null::varchar as suppressed_reason,
    from with_reach
    inner join patients using (strategy_id, comparison_group, event_time)
)

select * from final
