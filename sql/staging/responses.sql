-- One row per response of a batch not yet staged, or to be staged again, typed, times in UTC; item columns hold the answer's text in lower case.
with

batches as (
    select
        batches.batch_id,
        batches.batch_number,
        batches.mapping,
        batches.is_staged,
        feed_mappings.time_zone,
        feed_mappings.is_partial_kept,
        cast(batches.taken_in_at as date) as taken_in_date,
    from raw.batches
    inner join staging.feed_mappings using (mapping)
    where not batches.is_staged or batches.batch_id in (select batch_id from staging.again where feed = 'responses')
),

again as (
    select batch_id, row_number from staging.again where feed = 'responses'
),

units as (
    select alias, clinic_id from staging.units
),

unit_tables as (
    select count(*) > 0 as is_given from units
),

statuses as (
    select mapping, status_text, status from staging.status_texts
),

received as (
    select
        batches.batch_id,
        batches.batch_number,
        responses.row_number,
        batches.mapping,
        batches.time_zone as mapping_zone,
        batches.taken_in_date,
        batches.is_partial_kept,
        responses.* exclude (batch_id, row_number),
        nullif(trim(responses.answered_at), '') as time_text,
        -- a day of no calendar we know (beyond the year 9999) is not read at all
        case when try_cast(trim(responses.answered_at) as timestamp) between '0001-01-01' and '9999-12-30'
            then try_cast(trim(responses.answered_at) as timestamp)
        end as local_time,
        -- 14:05+02:00 or 14:05Z: the time says its own zone
        nullif(regexp_extract(trim(responses.answered_at), '\d:\d\d.*?(Z|z|[+-]\d\d(:?\d\d)?)$', 1), '') as own_zone,
    from raw.responses
    inner join batches using (batch_id)
    left join again on responses.batch_id = again.batch_id and responses.row_number = again.row_number
    where not batches.is_staged or again.row_number is not null
),

typed as (
    select
        received.batch_id,
        received.batch_number,
        received.row_number,
        received.mapping,
        received.response_id,
        received.visit_id,
        received.patient_id,
        received.provider_id,
        coalesce(units.clinic_id, nullif(trim(received.clinic_id), '')) as clinic_id,
        case
            when local_time is null then null
            when own_zone is not null then try_cast(time_text as timestamptz) at time zone 'UTC'
            -- the calendar of a time zone is slow, and UTC needs none
            when mapping_zone = 'UTC' then local_time
            else local_time at time zone mapping_zone at time zone 'UTC'
        end as answered_at,
        cast(local_time as date) as answered_date,
        case when upper(own_zone) = 'Z' then 'UTC' else coalesce(own_zone, mapping_zone) end as time_zone,
        time_text as answered_at_text,
        case when own_zone is null then local_time end as local_time_text,
        nullif(replace(lower(trim(received.channel)), ' ', '_'), '') as channel,
        coalesce(
            statuses.status, nullif(replace(replace(lower(trim(received.status)), ' ', '_'), '-', '_'), '')
        ) as status,
        received.comment,
        lower(trim(columns(received.* exclude (
            batch_id, batch_number, row_number, mapping, mapping_zone, taken_in_date, is_partial_kept, response_id,
            visit_id, patient_id, provider_id, clinic_id, answered_at, channel, status, comment, time_text, local_time,
            own_zone
        )))),
        received.taken_in_date as taken_in_date_text,
        unit_tables.is_given and units.clinic_id is null and nullif(trim(received.clinic_id), '') is not null
            as is_unit_unknown_text,
        case
            when statuses.status in ('preview', 'test', 'spam') then statuses.status
            when statuses.status = 'in_progress' and not received.is_partial_kept then statuses.status
            -- without an id it withdraws nothing: a rule names it
            when statuses.status = 'entered_in_error' and received.response_id is not null then statuses.status
        end as superseded_reason,
    from received
    cross join unit_tables
    left join units on trim(received.clinic_id) = units.alias
    left join statuses on received.mapping = statuses.mapping
        and replace(replace(lower(trim(received.status)), ' ', '_'), '-', '_') = statuses.status_text
)

select * from typed
