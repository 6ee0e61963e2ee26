-- One row per response of a batch not yet staged, typed, times in UTC; item columns hold the answer's text in lower case.
with

batches as (
    select
        batches.batch_id,
        batches.batch_number,
        batches.mapping,
        feed_mappings.time_zone,
        cast(batches.taken_in_at as date) as taken_in_date,
    from raw.batches
    inner join staging.feed_mappings using (mapping)
    where not batches.is_staged
),

typed as (
    select
        batches.batch_id,
        batches.batch_number,
        responses.row_number,
        batches.mapping,
        responses.response_id,
        responses.visit_id,
        responses.patient_id,
        responses.provider_id,
        nullif(trim(responses.clinic_id), '') as clinic_id,
        -- the calendar of a time zone is slow, and UTC needs none
        case batches.time_zone
            when 'UTC' then try_cast(trim(responses.answered_at) as timestamp)
            else try_cast(trim(responses.answered_at) as timestamp) at time zone batches.time_zone at time zone 'UTC'
        end as answered_at,
        cast(try_cast(trim(responses.answered_at) as timestamp) as date) as answered_date,
        nullif(trim(responses.answered_at), '') as answered_at_text,
        nullif(replace(lower(trim(responses.channel)), ' ', '_'), '') as channel,
        responses.comment,
        lower(trim(columns(responses.* exclude (
            batch_id, row_number, response_id, visit_id, patient_id, provider_id, clinic_id, answered_at, channel, status,
            comment
        )))),
        batches.taken_in_date as taken_in_date_text,
    from raw.responses
    inner join batches using (batch_id)
)

select * from typed
