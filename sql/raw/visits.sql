-- One row per visit as received, of one input file.
create table if not exists raw.visits (
    batch_id varchar not null,
    row_number bigint not null,
    visit_id varchar,
    patient_id varchar,
    provider_id varchar,
    clinic_id varchar,
    visit_date varchar,
    age_band varchar,
    expectations_agreed varchar,
)
