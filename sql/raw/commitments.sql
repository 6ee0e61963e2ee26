-- One row per commitment as received, of one input file.
create table if not exists raw.commitments (
    batch_id varchar not null,
    row_number bigint not null,
    commitment_id varchar,
    patient_id varchar,
    clinic_id varchar,
    breach_id varchar,
    made_date varchar,
    due_date varchar,
    kept_date varchar,
    outcome varchar,
    told_date varchar,
)
