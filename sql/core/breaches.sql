-- One row per breach: an event that broke a patient's trust.
with

breaches as (
    select * from staging.breaches
)

select
    breach_id,
    patient_id,
    provider_id,
    clinic_id,
    breach_date,
    breach_kind,
    severity,
    batch_id,
from breaches
where not is_superseded
