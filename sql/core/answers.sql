-- One row per item asked in a response: the answer as given (before any turning of reversed items), or why there is none.
with

responses as (
    select batch_id, mapping, response_id, columns(* exclude (
        batch_id, batch_number, row_number, mapping, response_id, visit_id, patient_id, provider_id, clinic_id,
        answered_at, answered_date, channel, comment, is_superseded
    ))
    from staging.responses
    where not is_superseded
),

asked as (
    unpivot responses on columns(* exclude (batch_id, mapping, response_id)) into name item_id value answer_text
),

options as (
    select
        item_options.*,
        items.instrument_id,
        items.instrument_version,
    from staging.item_options
    inner join core.items using (item_id)
)

select
    asked.response_id,
    options.instrument_id,
    options.instrument_version,
    asked.item_id,
    options.answer_value,
    options.missing_kind,
    asked.batch_id,
from asked
inner join options using (mapping, item_id, answer_text)
