-- One row per strategy, unit and month in which it could have been delivered or patients said whether they noticed it.
with

calendar as (
    select as_of_date, cast(date_trunc('month', as_of_date) as date) as last_month from core.calendar
),

strategies as (
    select strategy_id, delivery_measure, noticed_item_id, display_order from core.strategies
),

breaches as (
    select breach_id, provider_id, clinic_id, breach_date from core.breaches
),

repairs as (
    select breach_id, strategy_id, first_repair_days, is_delivered from core.breach_repairs
),

interventions as (
    select
        strategy_id,
        unit_level,
        unit_id,
        start_date,
        -- What was done for one patient after a breach stays done; a programme of a unit lasts until it ends.
        case
            when unit_level = 'patient' and strategy_id in ('apology', 'communication', 'transparency')
                then date '9999-12-31'
            else coalesce(end_date, date '9999-12-31')
        end as end_date,
    from core.interventions
),

commitments as (
    select patient_id, clinic_id, due_date, kept_date, commitment_status from core.commitments
),

visits as not materialized (
    select visit_id, patient_id, provider_id, clinic_id, visit_date, is_expectations_agreed from core.visits
),

-- With no intervention at all on record it is unknown what was done, not nothing.
records as (
    select count(*) > 0 as has_interventions from interventions
),

-- Overlapping interventions of one unit become one span, so that a date falls in at most one.
interventions_and_promises as (
    select * from interventions
    union all
    select 'follow_through', 'patient', cast(patient_id as varchar), kept_date, date '9999-12-31'
    from commitments
    where commitment_status = 'kept'
),

span_starts as (
    select
        *,
        start_date > coalesce(
            max(end_date) over (
                partition by strategy_id, unit_level, unit_id
                order by start_date, end_date
                rows between unbounded preceding and 1 preceding
            ),
            date '0001-01-01'
        ) as is_new_span,
    from interventions_and_promises
),

span_numbers as (
    select
        *,
        count_if(is_new_span) over (
            partition by strategy_id, unit_level, unit_id order by start_date, end_date rows unbounded preceding
        ) as span_number,
    from span_starts
),

spans as (
    select strategy_id, unit_level, unit_id, min(start_date) as start_date, max(end_date) as end_date
    from span_numbers
    group by strategy_id, unit_level, unit_id, span_number
),

patient_spans as (
    select strategy_id, try_cast(unit_id as uuid) as patient_id, start_date, end_date from spans where unit_level = 'patient'
),

provider_spans as (
    select strategy_id, try_cast(unit_id as uuid) as provider_id, start_date, end_date
    from spans
    where unit_level = 'provider'
),

clinic_spans as (
    select strategy_id, unit_id as clinic_id, start_date, end_date from spans where unit_level = 'clinic'
),

-- Apology, communication and transparency answer a breach, and a month is judged once all its breaches are 90 days old:
-- counted earlier, those still to be answered would look like a fall.
breach_cells as (
    select
        strategies.strategy_id,
        breaches.provider_id,
        breaches.clinic_id,
        date_trunc('month', breaches.breach_date) as period_start,
        count(*) as eligible_n,
        case when any_value(records.has_interventions) then count_if(coalesce(repairs.is_delivered, false)) end
            as delivered_n,
        null as unknown_n,
    from breaches
    cross join calendar
    cross join records
    inner join strategies on strategies.strategy_id in ('apology', 'communication', 'transparency')
    left join repairs
        on breaches.breach_id = repairs.breach_id and strategies.strategy_id = repairs.strategy_id
    where last_day(breaches.breach_date) + 90 <= calendar.as_of_date
    group by 1, 2, 3, 4
),

expectation_cells as (
    select
        'expectations' as strategy_id,
        provider_id,
        clinic_id,
        date_trunc('month', visit_date) as period_start,
        count(is_expectations_agreed) as eligible_n,
        count_if(is_expectations_agreed) as delivered_n,
        count(*) - count(is_expectations_agreed) as unknown_n,
    from visits
    group by 1, 2, 3, 4
),

-- A promise settled before it was due counts at once: its month is never after the data end.
promise_cells as (
    select
        'follow_through' as strategy_id,
        null::uuid as provider_id,
        commitments.clinic_id,
        date_trunc('month', least(commitments.due_date, calendar.as_of_date)) as period_start,
        count(*) as eligible_n,
        count_if(commitments.commitment_status = 'kept') as delivered_n,
        count_if(commitments.commitment_status = 'unknown') as unknown_n,
    from commitments
    cross join calendar
    where commitments.commitment_status <> 'open'
    group by 1, 2, 3, 4
),

empathy_cells as (
    select
        'empathy' as strategy_id,
        visits.provider_id,
        visits.clinic_id,
        date_trunc('month', visits.visit_date) as period_start,
        count(*) as eligible_n,
        case when any_value(records.has_interventions) then count_if(
            provider_spans.start_date is not null
            or clinic_spans.start_date is not null
            or patient_spans.start_date is not null
        ) end as delivered_n,
        null as unknown_n,
    from visits
    cross join records
    left join provider_spans
        on visits.provider_id = provider_spans.provider_id
        and visits.visit_date between provider_spans.start_date and provider_spans.end_date
        and provider_spans.strategy_id = 'empathy'
    left join clinic_spans
        on visits.clinic_id = clinic_spans.clinic_id
        and visits.visit_date between clinic_spans.start_date and clinic_spans.end_date
        and clinic_spans.strategy_id = 'empathy'
    left join patient_spans
        on visits.patient_id = patient_spans.patient_id
        and visits.visit_date between patient_spans.start_date and patient_spans.end_date
        and patient_spans.strategy_id = 'empathy'
    group by 1, 2, 3, 4
),

delivery_cells as (
    select * from breach_cells
    union all
    select * from expectation_cells
    union all
    select * from promise_cells
    union all
    select * from empathy_cells
),

delivery as (
    select
        strategy_id,
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
        sum(eligible_n) as eligible_n,
        sum(delivered_n) as delivered_n,
        sum(unknown_n) as unknown_n,
    from delivery_cells
    group by grouping sets (
        (strategy_id, period_start),
        (strategy_id, clinic_id, period_start),
        (strategy_id, provider_id, period_start)
    )
    having unit_id is not null and sum(eligible_n) > 0
),

waits as (
    select
        repairs.strategy_id,
        case
            when grouping(breaches.provider_id) = 0 then 'provider'
            when grouping(breaches.clinic_id) = 0 then 'clinic'
            else 'organisation'
        end as unit_level,
        case
            when grouping(breaches.provider_id) = 0 then cast(breaches.provider_id as varchar)
            when grouping(breaches.clinic_id) = 0 then breaches.clinic_id
            else 'all'
        end as unit_id,
        date_trunc('month', breaches.breach_date) as period_start,
        median(repairs.first_repair_days) as median_days,
    from repairs
    inner join breaches using (breach_id)
    where repairs.is_delivered and repairs.strategy_id in ('apology', 'communication', 'transparency')
    group by grouping sets (
        (repairs.strategy_id, date_trunc('month', breaches.breach_date)),
        (repairs.strategy_id, breaches.clinic_id, date_trunc('month', breaches.breach_date)),
        (repairs.strategy_id, breaches.provider_id, date_trunc('month', breaches.breach_date))
    )
),

-- Short keys: three million answers joined on long names cost three times as much.
patients as (
    select patient_id, cast(row_number() over () as integer) as patient_key
    from (select distinct patient_id from patient_spans)
),

providers as (
    select provider_id, cast(row_number() over () as integer) as provider_key
    from (select distinct provider_id from core.responses where provider_id is not null)
),

clinics as (
    select clinic_id, cast(row_number() over () as integer) as clinic_key
    from (select distinct clinic_id from core.responses where clinic_id is not null)
),

patient_key_spans as (
    select strategies.display_order, patients.patient_key, patient_spans.start_date, patient_spans.end_date
    from patient_spans
    inner join strategies using (strategy_id)
    inner join patients using (patient_id)
),

provider_key_spans as (
    select strategies.display_order, providers.provider_key, provider_spans.start_date, provider_spans.end_date
    from provider_spans
    inner join strategies using (strategy_id)
    inner join providers using (provider_id)
),

clinic_key_spans as (
    select strategies.display_order, clinics.clinic_key, clinic_spans.start_date, clinic_spans.end_date
    from clinic_spans
    inner join strategies using (strategy_id)
    inner join clinics using (clinic_id)
),

agreed_visits as (
    select visit_id, true as is_agreed from visits where is_expectations_agreed
),

responses as (
    select
        responses.response_id,
        patients.patient_key,
        providers.provider_key,
        clinics.clinic_key,
        responses.experience_date,
        agreed_visits.is_agreed,
    from core.responses as responses
    left join patients using (patient_id)
    left join providers using (provider_id)
    left join clinics using (clinic_id)
    left join agreed_visits using (visit_id)
),

heard as (
    select
        strategies.display_order,
        strategies.strategy_id = 'expectations' as is_about_visit,
        responses.* exclude (response_id),
        answers.answer_value > 0 as is_noticed,
    from core.answers as answers
    inner join strategies on answers.item_id = strategies.noticed_item_id
    inner join responses using (response_id)
    where answers.answer_value is not null
),

-- Only answers about a visit the strategy had reached by then can tell whether it was noticed.
heard_where_delivered as (
    select heard.*
    from heard
    left join patient_key_spans as patient_spans
        on heard.display_order = patient_spans.display_order
        and heard.patient_key = patient_spans.patient_key
        and heard.experience_date between patient_spans.start_date and patient_spans.end_date
    left join provider_key_spans as provider_spans
        on heard.display_order = provider_spans.display_order
        and heard.provider_key = provider_spans.provider_key
        and heard.experience_date between provider_spans.start_date and provider_spans.end_date
    left join clinic_key_spans as clinic_spans
        on heard.display_order = clinic_spans.display_order
        and heard.clinic_key = clinic_spans.clinic_key
        and heard.experience_date between clinic_spans.start_date and clinic_spans.end_date
    where case
        when heard.is_about_visit then heard.is_agreed
        else coalesce(patient_spans.start_date, provider_spans.start_date, clinic_spans.start_date) is not null
    end
),

keyed_noticed_cells as (
    select
        display_order,
        provider_key,
        clinic_key,
        date_trunc('month', experience_date) as period_start,
        count_if(is_noticed) as noticed_n,
        count(*) as n_noticed_answers,
    from heard_where_delivered
    group by all
),

-- A promise is made by a clinic: follow-through has no rows of providers.
noticed_cells as (
    select
        strategies.strategy_id,
        case when strategies.strategy_id <> 'follow_through' then providers.provider_id end as provider_id,
        clinics.clinic_id,
        cells.period_start,
        cells.noticed_n,
        cells.n_noticed_answers,
    from keyed_noticed_cells as cells
    inner join strategies using (display_order)
    left join providers using (provider_key)
    left join clinics using (clinic_key)
),

noticed as (
    select
        strategy_id,
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
        sum(noticed_n) as noticed_n,
        sum(n_noticed_answers) as n_noticed_answers,
    from noticed_cells
    group by grouping sets (
        (strategy_id, period_start),
        (strategy_id, clinic_id, period_start),
        (strategy_id, provider_id, period_start)
    )
    having unit_id is not null
),

counts as (
    select
        strategy_id,
        unit_level,
        unit_id,
        cast(period_start as date) as period_start,
        cast(delivery.delivered_n as bigint) as delivered_n,
        cast(coalesce(delivery.eligible_n, 0) as bigint) as eligible_n,
        cast(delivery.unknown_n as bigint) as unknown_n,
        waits.median_days,
        cast(noticed.noticed_n as bigint) as noticed_n,
        cast(coalesce(noticed.n_noticed_answers, 0) as bigint) as n_noticed_answers,
    from delivery
    full join noticed using (strategy_id, unit_level, unit_id, period_start)
    left join waits using (strategy_id, unit_level, unit_id, period_start)
),

-- Wilson's 95 % interval of a share: with z = 1.96, z squared is 3.8415.
result as (
    select
        counts.strategy_id,
        counts.unit_level,
        counts.unit_id,
        counts.period_start,
        strategies.delivery_measure,
        counts.delivered_n,
        counts.eligible_n,
        counts.unknown_n,
        counts.delivered_n / counts.eligible_n as delivered_share,
        counts.median_days,
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
    inner join strategies using (strategy_id)
    cross join calendar
    where counts.period_start <= calendar.last_month
    order by counts.strategy_id, counts.unit_level, counts.unit_id, counts.period_start
)

select * from result
