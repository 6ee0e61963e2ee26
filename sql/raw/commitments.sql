-- One row per commitment as received, of one input file.
create table if not exists raw.commitments (
    batch_id varchar not null,
    row_number bigint not null,
    commitment_id uuid,
    patient_id uuid,
    clinic_id varchar,
    breach_id uuid,
    made_date varchar,
    due_date varchar,
    kept_date varchar,
    outcome varchar,
    told_date varchar,
)
