-- One row per response: the questionnaire one patient filled in about one visit, in its current version.
with

responses as (
    select * from staging.responses
    where not is_superseded
),

visits as (
    select * from core.visits
),

placed as (
    select
        responses.response_id,
        responses.visit_id,
        coalesce(visits.patient_id, responses.patient_id) as patient_id,
        coalesce(visits.provider_id, responses.provider_id) as provider_id,
        coalesce(visits.clinic_id, responses.clinic_id) as clinic_id,
        responses.answered_at,
        responses.time_zone,
        responses.answered_date,
        coalesce(visits.visit_date, responses.answered_date) as experience_date,
        responses.channel,
        date_diff('day', visits.visit_date, responses.answered_date) as lag_days,
        responses.batch_id,
    from responses
    left join visits using (visit_id)
)

select * from placed
