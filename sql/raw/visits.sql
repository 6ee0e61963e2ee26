-- One row per visit as received, of one input file.
create table if not exists raw.visits (
    batch_id varchar not null,
    row_number bigint not null,
    visit_id uuid,
    patient_id uuid,
    provider_id uuid,
    clinic_id varchar,
    visit_date varchar,
    age_band varchar,
    expectations_agreed varchar,
)
