-- One row per intervention as received, of one input file.
create table if not exists raw.interventions (
    batch_id varchar not null,
    row_number bigint not null,
    intervention_id uuid,
    strategy varchar,
    level varchar,
    patient_id uuid,
    provider_id uuid,
    clinic_id varchar,
    breach_id uuid,
    start_date varchar,
    end_date varchar,
)
