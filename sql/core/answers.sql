-- One row per item asked in a response: the answer as given (before any turning of reversed items), or why there is none.
with

responses as (
    select mapping, response_id, columns(* exclude (
        batch_id, batch_number, row_number, mapping, response_id, visit_id, patient_id, provider_id, clinic_id,
        answered_at, answered_date, time_zone, channel, status, comment, is_superseded, superseded_reason
    ))
    from staging.responses
    where not is_superseded
),

asked as (
    unpivot responses on columns(* exclude (mapping, response_id)) into name item_id value answer_text
),

options as (
    select * from staging.item_options
),

items as (
    select item_id from core.items
)

select
    asked.response_id,
    asked.item_id,
    options.answer_value,
    -- a text that only another mapping of the same run knows is kept as no valid answer, never dropped
    case when options.item_id is null then 'not_valid' else options.missing_kind end as missing_kind,
from asked
semi join items using (item_id)
left join options
    on asked.mapping = options.mapping and asked.item_id = options.item_id and asked.answer_text = options.answer_text
