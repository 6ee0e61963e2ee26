-- One row per intervention as received, of one input file.
create table if not exists raw.interventions (
    batch_id varchar not null,
    row_number bigint not null,
    intervention_id varchar,
    strategy varchar,
    level varchar,
    patient_id varchar,
    provider_id varchar,
    clinic_id varchar,
    breach_id varchar,
    start_date varchar,
    end_date varchar,
)
