-- One row per strategy, unit, stratum, period and side of the start, with the sums the estimators read.
-- Each strategy is taken at the level (patient, provider, clinic) with most units that began.
-- Providers and clinics: every unit of that level, treated or not; periods are calendar months since January 2000.
-- Patients: every breach on record; periods are months of 30.4375 days since the breach, -12 to -1 the year before it.
-- A breach ends where the same patient's next one begins. Its stratum is its severity and the other strategies begun
-- for that patient within a year, so that those are held constant. n_under_<strategy>: answers given while that strategy
-- was in force, wherever it had begun.
with

calendar as (
    select primary_scale_id from core.calendar
),

interventions as (
    select * from core.interventions
),

breaches as (
    select
        breach_id,
        patient_id,
        breach_date,
        coalesce(severity, 'unknown') as severity,
        coalesce(breach_kind, 'unknown') as breach_kind,
        datediff('month', date '2000-01-01', breach_date)::integer as breach_month,
        lead(breach_date) over (partition by patient_id order by breach_date, breach_id) as next_breach_date,
    from core.breaches
),

answers as (
    select
        responses.patient_id,
        responses.provider_id,
        responses.clinic_id,
        responses.experience_date,
        datediff('month', date '2000-01-01', responses.experience_date)::integer as month,
        hash(responses.patient_id) as patient_key,
        scores.score,
        exposures.* exclude (response_id),
    from core.responses as responses
    inner join core.scores as scores using (response_id)
    inner join core.exposures as exposures using (response_id)
    inner join calendar on calendar.primary_scale_id = scores.scale_id
    where scores.is_scorable
),

starts as (
    select * from core.strategy_starts
    where unit_level <> 'patient'
),

repairs as (
    select strategy_id, try_cast(unit_id as uuid) as breach_id, start_date from core.strategy_starts
    where unit_level = 'patient'
),

strategy_keys as (
    select strategy_id, cast(row_number() over (order by strategy_id) as utinyint) as strategy_key
    from (select distinct strategy_id from core.strategy_starts)
),

unit_counts as (
    select strategy_id, unit_level, count(*) as n_units from core.strategy_starts group by all
),

levels as (
    select strategy_id, unit_level,
    from unit_counts
    qualify row_number() over (partition by strategy_id order by n_units desc, unit_level desc) = 1
),

answering_units as (
    select 'provider' as unit_level, cast(provider_id as varchar) as unit_id, provider_id
    from (select distinct provider_id from answers where provider_id is not null)
    union all
    select distinct 'clinic' as unit_level, clinic_id as unit_id, null::uuid as provider_id
    from answers
    where clinic_id is not null
),

roll_out_units as (
    select
        levels.strategy_id,
        strategy_keys.strategy_key,
        levels.unit_level,
        answering_units.unit_id,
        answering_units.provider_id,
        hash(answering_units.unit_id) as unit_key,
        'all' as stratum,
        datediff('month', date '2000-01-01', starts.start_date)::integer as cohort,
        answering_units.unit_id as cluster_id,
        starts.start_date,
    from levels
    inner join strategy_keys using (strategy_id)
    inner join answering_units using (unit_level)
    left join starts using (strategy_id, unit_level, unit_id)
),

repair_strategies as (
    select strategy_id from levels where unit_level = 'patient'
),

-- A bit for each strategy: there are few combinations, and many breaches.
other_bits as (
    select
        repair_strategies.strategy_id,
        repairs.breach_id,
        bit_or(1 << strategy_keys.strategy_key) as others,
    from repair_strategies
    inner join repairs on repairs.strategy_id <> repair_strategies.strategy_id
    inner join strategy_keys on repairs.strategy_id = strategy_keys.strategy_id
    inner join breaches using (breach_id)
    where repairs.start_date < breaches.breach_date + 365
        and repairs.strategy_id in (select strategy_id from repair_strategies)
    group by all
),

other_names as (
    select combinations.others, string_agg(strategy_id, ' + ' order by strategy_id) as other_strategies
    from (select distinct others from other_bits) as combinations
    inner join strategy_keys on combinations.others & (1 << strategy_key) > 0
    group by combinations.others
),

others_begun as (
    select strategy_id, breach_id, other_strategies
    from other_bits
    inner join other_names using (others)
),

repair_units as (
    select
        repair_strategies.strategy_id,
        strategy_keys.strategy_key,
        'patient' as unit_level,
        breaches.breach_id,
        cast(breaches.breach_id as varchar) as unit_id,
        hash(breaches.breach_id) as unit_key,
        breaches.severity,
        breaches.breach_kind,
        breaches.breach_month,
        concat_ws(' + ', breaches.severity, others_begun.other_strategies) as stratum,
        floor((repairs.start_date - breaches.breach_date) / 30.4375)::integer as cohort,
        cast(breaches.patient_id as varchar) as cluster_id,
        repairs.start_date,
        breaches.breach_date,
    from repair_strategies
    inner join strategy_keys using (strategy_id)
    cross join breaches
    left join repairs using (strategy_id, breach_id)
    left join others_begun using (strategy_id, breach_id)
),

answers_by_breach as (
    select
        breaches.breach_id,
        answers.patient_key,
        answers.experience_date,
        floor((answers.experience_date - breaches.breach_date) / 30.4375)::integer as period,
        answers.score,
        answers.is_under_apology,
        answers.is_under_communication,
        answers.is_under_transparency,
        answers.is_under_expectations,
        answers.is_under_follow_through,
        answers.is_under_empathy,
    from breaches
    inner join answers
        on answers.patient_id = breaches.patient_id
        and answers.experience_date >= breaches.breach_date - 365
        and answers.experience_date < breaches.breach_date + 1095
        and answers.experience_date < coalesce(breaches.next_breach_date, date '9999-12-31')
),

-- Units and patients stand as 64-bit hashes up to the sums: grouping millions of rows by long text would take minutes.
answers_by_unit as (
    select units.strategy_key, units.unit_key, units.cohort, units.start_date, answers.patient_key, answers.score,
        answers.experience_date, answers.month as period, answers.is_under_apology, answers.is_under_communication,
        answers.is_under_transparency, answers.is_under_expectations, answers.is_under_follow_through,
        answers.is_under_empathy,
    from answers
    inner join roll_out_units as units on units.unit_level = 'provider' and units.provider_id = answers.provider_id
    union all
    select units.strategy_key, units.unit_key, units.cohort, units.start_date, answers.patient_key, answers.score,
        answers.experience_date, answers.month as period, answers.is_under_apology, answers.is_under_communication,
        answers.is_under_transparency, answers.is_under_expectations, answers.is_under_follow_through,
        answers.is_under_empathy,
    from answers
    inner join roll_out_units as units on units.unit_level = 'clinic' and units.unit_id = answers.clinic_id
    union all
    select units.strategy_key, units.unit_key, units.cohort, units.start_date, answers.patient_key, answers.score,
        answers.experience_date, answers.period, answers.is_under_apology, answers.is_under_communication,
        answers.is_under_transparency, answers.is_under_expectations, answers.is_under_follow_through,
        answers.is_under_empathy,
    from answers_by_breach as answers
    inner join repair_units as units on units.breach_id = answers.breach_id
),

-- Months since the start, or of the calendar where a unit never begins.
timed as (
    select
        strategy_key,
        unit_key,
        patient_key,
        cohort is not null as is_beginning,
        period - coalesce(cohort, 0) as month,
        coalesce(experience_date >= start_date, false) as is_started,
        score,
        is_under_apology,
        is_under_communication,
        is_under_transparency,
        is_under_expectations,
        is_under_follow_through,
        is_under_empathy,
    from answers_by_unit
),

sums as (
    select
        strategy_key,
        unit_key,
        month,
        is_started,
        count(*) as n_responses,
        sum(score) as sum_score,
        sum(score * score) as sum_square,
        count(*) filter (where is_under_apology) as n_under_apology,
        count(*) filter (where is_under_communication) as n_under_communication,
        count(*) filter (where is_under_transparency) as n_under_transparency,
        count(*) filter (where is_under_expectations) as n_under_expectations,
        count(*) filter (where is_under_follow_through) as n_under_follow_through,
        count(*) filter (where is_under_empathy) as n_under_empathy,
    from timed
    group by all
),

-- A patient is counted in one unit only per month, so that units add up; and as new in one month of the first year only.
unit_of_month as (
    select strategy_key, patient_key, is_beginning, is_started, month, min(unit_key) as unit_key,
    from timed
    group by all
),

unit_of_first_month as (
    select strategy_key, patient_key, arg_min(unit_key, month) as unit_key, min(month) as month, true as is_started,
    from unit_of_month
    where is_started and month < 12
    group by strategy_key, patient_key
),

patients as (
    select strategy_key, unit_key, is_started, month, count(*) as n_patients,
    from unit_of_month
    group by all
),

new_patients as (
    select strategy_key, unit_key, is_started, month, count(*) as n_new_patients,
    from unit_of_first_month
    group by all
),

units as (
    select * exclude (start_date, provider_id), null::varchar as severity, null::varchar as breach_kind, null::integer as breach_month,
    from roll_out_units
    union all by name
    select * exclude (start_date, breach_date, breach_id) from repair_units
),

cells as (
    select
        units.strategy_id,
        units.unit_level,
        units.unit_id,
        units.stratum,
        units.severity,
        units.breach_kind,
        units.breach_month,
        units.cohort,
        units.cluster_id,
        sums.month + coalesce(units.cohort, 0) as period,
        sums.is_started,
        sums.n_responses,
        coalesce(patients.n_patients, 0) as n_patients,
        coalesce(new_patients.n_new_patients, 0) as n_new_patients,
        sums.sum_score,
        sums.sum_square,
        sums.n_under_apology,
        sums.n_under_communication,
        sums.n_under_transparency,
        sums.n_under_expectations,
        sums.n_under_follow_through,
        sums.n_under_empathy,
    from sums
    inner join units using (strategy_key, unit_key)
    left join patients using (strategy_key, unit_key, is_started, month)
    left join new_patients using (strategy_key, unit_key, is_started, month)
),

-- A strategy only ever applied to patients without a breach keeps a row per patient, to be refused with that reason.
without_breach as (
    select
        strategy_id,
        'patient' as unit_level,
        cast(patient_id as varchar) as unit_id,
        'without a breach' as stratum,
        null::varchar as severity,
        null::varchar as breach_kind,
        null::integer as breach_month,
        0 as cohort,
        cast(patient_id as varchar) as cluster_id,
        0 as period,
        true as is_started,
        0 as n_responses,
        0 as n_patients,
        0 as n_new_patients,
        0.0 as sum_score,
        0.0 as sum_square,
        0 as n_under_apology,
        0 as n_under_communication,
        0 as n_under_transparency,
        0 as n_under_expectations,
        0 as n_under_follow_through,
        0 as n_under_empathy,
    from interventions
    anti join levels using (strategy_id)
    where unit_level = 'patient'
    group by all
),

final as (
    select * from cells
    union all
    select * from without_breach
)

select * from final
