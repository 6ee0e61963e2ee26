-- One row per unit, scale and time window: visits, answers, and mean score with its 95 % interval.
with

months as (
    select * from marts.trust_by_period
),

windows as (
    select *, cast(row_number() over (order by time_window) as integer) as window_number from core.time_windows
),

providers as (
    select provider_id, cast(row_number() over () as integer) as provider_key
    from (select distinct provider_id from core.responses where provider_id is not null)
),

clinics as (
    select clinic_id, cast(row_number() over () as integer) as clinic_key
    from (select distinct clinic_id from core.responses where clinic_id is not null)
),

responses as (
    select
        responses.response_id,
        hash(responses.patient_id) as patient_key,
        providers.provider_key,
        clinics.clinic_key,
        cast(date_trunc('month', responses.experience_date) as date) as period_start,
    from core.responses as responses
    left join providers using (provider_id)
    left join clinics using (clinic_id)
    where responses.patient_id is not null
),

-- A month's windows as bits, so that each person is looked at once for all windows.
month_windows as (
    select months.period_start, bit_or(1 << windows.window_number) as window_bits
    from (select distinct period_start from months) as months
    inner join windows on months.period_start between windows.window_start and windows.window_end
    group by months.period_start
),

scored as (
    select
        scores.scale_id,
        responses.patient_key,
        responses.provider_key,
        responses.clinic_key,
        month_windows.window_bits,
    from core.scores as scores
    inner join responses using (response_id)
    inner join month_windows using (period_start)
    where scores.is_scorable
),

people as (
    select scale_id, patient_key, bit_or(window_bits) as window_bits from scored group by all
),

clinic_people as (
    select clinic_key, scale_id, patient_key, bit_or(window_bits) as window_bits from scored group by all
),

provider_people as (
    select provider_key, scale_id, patient_key, bit_or(window_bits) as window_bits from scored group by all
),

people_by_bits as (
    select 'organisation' as unit_level, 'all' as unit_id, scale_id, window_bits, count(*) as n_patients
    from people
    group by all
    union all
    select 'clinic', clinics.clinic_id, clinic_people.scale_id, clinic_people.window_bits, count(*)
    from clinic_people
    inner join clinics using (clinic_key)
    group by all
    union all
    select 'provider', cast(providers.provider_id as varchar), provider_people.scale_id, provider_people.window_bits, count(*)
    from provider_people
    inner join providers using (provider_key)
    group by all
),

people_by_window as (
    select
        people_by_bits.unit_level,
        people_by_bits.unit_id,
        people_by_bits.scale_id,
        windows.time_window,
        sum(people_by_bits.n_patients) as n_patients,
    from people_by_bits
    inner join windows on people_by_bits.window_bits & (1 << windows.window_number) > 0
    group by all
),

totals as (
    select
        months.unit_level,
        months.unit_id,
        months.scale_id,
        windows.time_window,
        windows.window_start,
        windows.window_end,
        sum(months.n_invited) as n_invited,
        sum(months.n_responses) as n_responses,
        -- Months whose visits are not on record say nothing about who answered.
        sum(months.response_share * months.n_invited) / sum(months.n_invited) as response_share,
        sum(months.n_responses * months.mean_score) / sum(months.n_responses) as mean_score,
        sum(months.top_n) as top_n,
    from months
    inner join windows on months.period_start between windows.window_start and windows.window_end
    group by all
),

-- Squares within months and between them: no difference of large numbers, so equal scores give exactly 0.
spreads as (
    select
        totals.unit_level,
        totals.unit_id,
        totals.scale_id,
        totals.time_window,
        sum(
            (months.n_responses - 1) * coalesce(months.sd_score, 0) ** 2
            + months.n_responses * (months.mean_score - totals.mean_score) ** 2
        ) as sum_square,
    from totals
    inner join months
        on totals.unit_level = months.unit_level
        and totals.unit_id = months.unit_id
        and totals.scale_id = months.scale_id
        and months.period_start between totals.window_start and totals.window_end
    where months.n_responses > 0
    group by all
),

-- 97.5 % point of Student's t as in trust_by_period.
margins as (
    select
        totals.*,
        case when totals.n_responses = 0 then 0 else people_by_window.n_patients end as n_patients,
        totals.n_responses - 1 as df,
        case
            when df = 1 then 12.706204736175
            when df = 2 then 4.302652729749
            when df = 3 then 3.182446305284
            when df = 4 then 2.776445105198
            when df > 4 then 1.959963984540054 + (2.372271 + (2.822499 + (2.555850 + 1.589534 / df) / df) / df) / df
        end * sqrt(spreads.sum_square / df / (df + 1)) as margin,
        case when df > 0 then sqrt(spreads.sum_square / df) end as sd_score,
    from totals
    left join spreads using (unit_level, unit_id, scale_id, time_window)
    left join people_by_window using (unit_level, unit_id, scale_id, time_window)
),

result as (
    select
        unit_level,
        unit_id,
        scale_id,
        time_window,
        window_start,
        window_end,
        cast(n_invited as bigint) as n_invited,
        cast(n_responses as bigint) as n_responses,
        cast(n_patients as bigint) as n_patients,
        response_share,
        mean_score,
        sd_score,
        case when margin is not null then greatest(0, mean_score - margin) end as low,
        case when margin is not null then least(100, mean_score + margin) end as high,
        cast(top_n as bigint) as top_n,
        top_n / nullif(n_responses, 0) as top_share,
        cast(null as varchar) as suppressed_reason,
    from margins
    order by unit_level, unit_id, scale_id, window_start, time_window
)

select * from result
