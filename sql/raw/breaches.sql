-- One row per breach as received, of one input file.
create table if not exists raw.breaches (
    batch_id varchar not null,
    row_number bigint not null,
    breach_id uuid,
    patient_id uuid,
    provider_id uuid,
    clinic_id varchar,
    breach_date varchar,
    kind varchar,
    severity varchar,
)
