-- One row per unit, kind of breach (or 'all') and time window: breaches, and for how many of them repair has begun.
with

windows as (
    select * from core.time_windows where time_window = 'last_12_months'
),

repaired as (
    select distinct breach_id, true as is_repair_begun from core.breach_repairs
),

breaches as (
    select
        breaches.provider_id,
        breaches.clinic_id,
        breaches.breach_kind,
        windows.time_window,
        coalesce(repaired.is_repair_begun, false) as is_repair_begun,
    from core.breaches as breaches
    inner join windows on breaches.breach_date between windows.window_start and windows.window_end
    left join repaired using (breach_id)
),

-- With no intervention and no kept promise on record at all it is unknown what was done, not nothing.
records as (
    select
        exists (select 1 from core.interventions)
        or exists (select 1 from core.commitments) as has_repairs,
),

counts as (
    select
        case
            when grouping(provider_id) = 0 then 'provider'
            when grouping(clinic_id) = 0 then 'clinic'
            else 'organisation'
        end as unit_level,
        case
            when grouping(provider_id) = 0 then cast(provider_id as varchar)
            when grouping(clinic_id) = 0 then clinic_id
            else 'all'
        end as unit_id,
        case when grouping(breach_kind) = 0 then breach_kind else 'all' end as breach_kind,
        time_window,
        count(*) as n_breaches,
        count(*) filter (where is_repair_begun) as n_repair_begun,
    from breaches
    group by grouping sets (
        (time_window),
        (time_window, breach_kind),
        (time_window, clinic_id),
        (time_window, clinic_id, breach_kind),
        (time_window, provider_id),
        (time_window, provider_id, breach_kind)
    )
    having unit_id is not null
),

result as (
    select
        counts.unit_level,
        counts.unit_id,
        counts.breach_kind,
        counts.time_window,
        counts.n_breaches,
        case when records.has_repairs then counts.n_repair_begun end as n_repair_begun,
        case when records.has_repairs then counts.n_repair_begun / counts.n_breaches end as repair_begun_share,
        cast(null as varchar) as suppressed_reason,
    from counts
    cross join records
    order by counts.unit_level, counts.unit_id, counts.breach_kind, counts.time_window
)

select * from result
