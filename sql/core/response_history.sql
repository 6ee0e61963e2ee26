-- One row per response as received in one file, those that count and those that do not, with the reason why not.
with

responses as (
    select * from staging.responses
),

history as (
    select
        response_id,
        batch_id,
        batch_number,
        row_number,
        visit_id,
        patient_id,
        answered_at,
        time_zone,
        coalesce(status, 'completed') as response_status,
        is_superseded,
        superseded_reason,
    from responses
)

select * from history
