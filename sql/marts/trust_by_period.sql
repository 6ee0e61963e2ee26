-- One row per unit, month and scale while the scale is in use: visits, answers, and mean score with its 95 % interval.
with

scores as (
    -- Decimals add up exactly, so the same answers give the same mean whatever the order of the threads.
    select response_id, scale_id, cast(score as decimal(18, 9)) as score
    from core.scores
    where is_scorable
),

providers as (
    -- Short keys: grouping two million rows by long names costs three times as much.
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
        -- 64 bits tell people apart well enough to count them: among a million, two meet once in 37 million times.
        case when responses.patient_id is not null then hash(responses.patient_id) end as patient_key,
        providers.provider_key,
        clinics.clinic_key,
        cast(date_trunc('month', responses.experience_date) as date) as period_start,
        responses.lag_days is not null as is_visit_known,
    from core.responses as responses
    left join providers using (provider_id)
    left join clinics using (clinic_id)
),

visits as (
    select provider_id, clinic_id, cast(date_trunc('month', visit_date) as date) as period_start from core.visits
),

calendar as (
    select cast(date_trunc('month', as_of_date) as date) as last_month, primary_scale_id from core.calendar
),

scored as (
    select * exclude (response_id) from scores inner join responses using (response_id)
),

answer_cells as (
    select
        clinic_key,
        provider_key,
        period_start,
        scale_id,
        count(*) as n_responses,
        count_if(is_visit_known) as n_visits_answered,
        sum(score) as sum_score,
        sum(score * score) as sum_square,
        count_if(score = 100) as top_n,
    from scored
    group by all
),

answer_sums as (
    select
        grouping(clinic_key, provider_key) as level_bits,
        coalesce(clinic_key, provider_key) as unit_key,
        period_start,
        scale_id,
        sum(n_responses) as n_responses,
        sum(n_visits_answered) as n_visits_answered,
        sum(sum_score) as sum_score,
        sum(sum_square) as sum_square,
        sum(top_n) as top_n,
    from answer_cells
    group by grouping sets (
        (period_start, scale_id), (clinic_key, period_start, scale_id), (provider_key, period_start, scale_id)
    )
),

-- Passes over distinct people are faster than one `count(distinct)` over grouping sets.
people as (
    select distinct patient_key, period_start, scale_id from scored where patient_key is not null
),

clinic_people as (
    select distinct clinic_key, patient_key, period_start, scale_id from scored where patient_key is not null
),

provider_people as (
    select distinct provider_key, patient_key, period_start, scale_id from scored where patient_key is not null
),

people_sums as (
    select 3 as level_bits, null as unit_key, period_start, scale_id, count(*) as n_patients
    from people
    group by all
    union all
    select 1, clinic_key, period_start, scale_id, count(*)
    from clinic_people
    group by all
    union all
    select 2, provider_key, period_start, scale_id, count(*)
    from provider_people
    group by all
),

-- The bits of `grouping` are set for the columns left out: 3 is the organisation, 1 a clinic, 2 a provider.
units as (
    select 3 as level_bits, null as unit_key, 'organisation' as unit_level, 'all' as unit_id
    union all
    select 1, clinic_key, 'clinic', clinic_id from clinics
    union all
    select 2, provider_key, 'provider', cast(provider_id as varchar) from providers
),

answers_by_unit as (
    select units.unit_level, units.unit_id, answer_sums.* exclude (level_bits, unit_key), people_sums.n_patients
    from units
    inner join answer_sums
        on units.level_bits = answer_sums.level_bits
        and units.unit_key is not distinct from answer_sums.unit_key
    left join people_sums
        on answer_sums.level_bits = people_sums.level_bits
        and answer_sums.unit_key is not distinct from people_sums.unit_key
        and answer_sums.period_start = people_sums.period_start
        and answer_sums.scale_id = people_sums.scale_id
),

visits_by_unit as (
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
        period_start,
        count(*) as n_invited,
    from visits
    group by grouping sets ((period_start), (clinic_id, period_start), (provider_id, period_start))
    having unit_id is not null
),

-- Before a scale's first answer and after its last nobody was asked it; the primary scale is asked to this day.
scales_in_use as (
    select
        answers_by_unit.scale_id,
        min(answers_by_unit.period_start) as first_month,
        case
            when answers_by_unit.scale_id = any_value(calendar.primary_scale_id) then any_value(calendar.last_month)
            else max(answers_by_unit.period_start)
        end as last_month,
    from answers_by_unit
    cross join calendar
    where answers_by_unit.unit_level = 'organisation'
    group by answers_by_unit.scale_id
),

asked as (
    select visits_by_unit.*, scales_in_use.scale_id
    from visits_by_unit
    inner join scales_in_use
        on visits_by_unit.period_start between scales_in_use.first_month and scales_in_use.last_month
),

cells as (
    select
        unit_level,
        unit_id,
        period_start,
        scale_id,
        asked.n_invited,
        cast(coalesce(answers_by_unit.n_responses, 0) as bigint) as n_responses,
        case when answers_by_unit.n_responses is null then 0 else answers_by_unit.n_patients end as n_patients,
        -- Someone may answer twice about one visit: a share never passes 1.
        case when asked.n_invited is not null
            then least(1.0, coalesce(answers_by_unit.n_visits_answered, 0) / asked.n_invited)
        end as response_share,
        cast(answers_by_unit.sum_score as double) / answers_by_unit.n_responses as mean_score,
        case
            when answers_by_unit.n_responses > 1 then sqrt(
                cast(
                    answers_by_unit.n_responses * cast(answers_by_unit.sum_square as decimal(38, 18))
                    - cast(answers_by_unit.sum_score as decimal(19, 9))
                    * cast(answers_by_unit.sum_score as decimal(19, 9))
                    as double
                ) / answers_by_unit.n_responses / (answers_by_unit.n_responses - 1)
            )
        end as sd_score,
        cast(answers_by_unit.top_n as bigint) as top_n,
        answers_by_unit.top_n / answers_by_unit.n_responses as top_share,
        answers_by_unit.n_responses - 1 as df,
    from asked
    full join answers_by_unit using (unit_level, unit_id, period_start, scale_id)
),

-- 97.5 % point of Student's t: exact to df 4, then Cornish and Fisher's expansion (within 0.0003).
margins as (
    select
        *,
        case df
            when 1 then 12.706204736175
            when 2 then 4.302652729749
            when 3 then 3.182446305284
            when 4 then 2.776445105198
            else 1.959963984540054 + (2.372271 + (2.822499 + (2.555850 + 1.589534 / df) / df) / df) / df
        end * sd_score / sqrt(df + 1) as margin,
    from cells
    cross join calendar
    where period_start <= last_month
),

result as (
    select
        unit_level,
        unit_id,
        period_start,
        scale_id,
        n_invited,
        n_responses,
        n_patients,
        response_share,
        mean_score,
        sd_score,
        case when margin is not null then greatest(0, mean_score - margin) end as low,
        case when margin is not null then least(100, mean_score + margin) end as high,
        top_n,
        top_share,
        cast(null as varchar) as suppressed_reason,
    from margins
    order by unit_level, unit_id, scale_id, period_start
)

select * from result
