-- One row per intervention: one strategy applied to one patient, provider or clinic, from a date on.
with

interventions as (
    select * from staging.interventions
)

select
    intervention_id,
    strategy_id,
    unit_level,
    unit_id,
    patient_id,
    provider_id,
    clinic_id,
    breach_id,
    start_date,
    end_date,
    batch_id,
from interventions
where not is_superseded
