-- One row per visit, answered or not: the denominator of every response share.
with

visits as (
    select * from staging.visits
)

select
    visit_id,
    patient_id,
    provider_id,
    clinic_id,
    visit_date,
    age_band,
    is_expectations_agreed,
    batch_id,
from visits
where not is_superseded
