-- One row per strategy, unit and time window: how often it was delivered and noticed, with 95 % intervals.
with

months as (
    select * from marts.strategy_delivery
),

windows as (
    select * from core.time_windows where time_window in ('last_12_months', 'all')
),

repairs as (
    select strategy_id, provider_id, clinic_id, breach_date, first_repair_days
    from core.breach_repairs
    where is_delivered and strategy_id in ('apology', 'communication', 'transparency')
),

counts as (
    select
        months.strategy_id,
        months.unit_level,
        months.unit_id,
        windows.time_window,
        any_value(months.delivery_measure) as delivery_measure,
        cast(sum(months.delivered_n) as bigint) as delivered_n,
        cast(sum(months.eligible_n) as bigint) as eligible_n,
        cast(sum(months.unknown_n) as bigint) as unknown_n,
        cast(sum(months.noticed_n) as bigint) as noticed_n,
        cast(sum(months.n_noticed_answers) as bigint) as n_noticed_answers,
    from months
    inner join windows on months.period_start between windows.window_start and windows.window_end
    group by 1, 2, 3, 4
),

-- A median cannot be added up from months: it is taken over the breaches of the window.
waits as (
    select
        repairs.strategy_id,
        case
            when grouping(repairs.provider_id) = 0 then 'provider'
            when grouping(repairs.clinic_id) = 0 then 'clinic'
            else 'organisation'
        end as unit_level,
        case
            when grouping(repairs.provider_id) = 0 then cast(repairs.provider_id as varchar)
            when grouping(repairs.clinic_id) = 0 then repairs.clinic_id
            else 'all'
        end as unit_id,
        windows.time_window,
        median(repairs.first_repair_days) as median_days,
    from repairs
    inner join windows on repairs.breach_date between windows.window_start and windows.window_end
    group by grouping sets (
        (repairs.strategy_id, windows.time_window),
        (repairs.strategy_id, repairs.clinic_id, windows.time_window),
        (repairs.strategy_id, repairs.provider_id, windows.time_window)
    )
),

-- Wilson's 95 % interval as in strategy_delivery.
result as (
    select
        counts.strategy_id,
        counts.unit_level,
        counts.unit_id,
        counts.time_window,
        counts.delivery_measure,
        counts.delivered_n,
        counts.eligible_n,
        counts.unknown_n,
        counts.delivered_n / counts.eligible_n as delivered_share,
        waits.median_days,
        counts.noticed_n,
        counts.n_noticed_answers,
        counts.noticed_n / counts.n_noticed_answers as noticed_share,
        (
            counts.delivered_n + 1.9207294103470614
            - 1.959963984540054 * sqrt(
                counts.delivered_n * (counts.eligible_n - counts.delivered_n) / counts.eligible_n + 0.9603647051735307
            )
        ) / (counts.eligible_n + 3.841458820694123) as low,
        (
            counts.delivered_n + 1.9207294103470614
            + 1.959963984540054 * sqrt(
                counts.delivered_n * (counts.eligible_n - counts.delivered_n) / counts.eligible_n + 0.9603647051735307
            )
        ) / (counts.eligible_n + 3.841458820694123) as high,
        (
            counts.noticed_n + 1.9207294103470614
            - 1.959963984540054 * sqrt(
                counts.noticed_n * (counts.n_noticed_answers - counts.noticed_n) / counts.n_noticed_answers
                + 0.9603647051735307
            )
        ) / (counts.n_noticed_answers + 3.841458820694123) as noticed_low,
        (
            counts.noticed_n + 1.9207294103470614
            + 1.959963984540054 * sqrt(
                counts.noticed_n * (counts.n_noticed_answers - counts.noticed_n) / counts.n_noticed_answers
                + 0.9603647051735307
            )
        ) / (counts.n_noticed_answers + 3.841458820694123) as noticed_high,
        cast(null as varchar) as suppressed_reason,
    from counts
    left join waits using (strategy_id, unit_level, unit_id, time_window)
    order by counts.strategy_id, counts.unit_level, counts.unit_id, counts.time_window
)

select * from result
