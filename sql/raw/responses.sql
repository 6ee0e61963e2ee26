-- One row per response as received, of one input file.
create table if not exists raw.responses (
    batch_id varchar not null,
    row_number bigint not null,
    response_id varchar,
    visit_id varchar,
    patient_id varchar,
    provider_id varchar,
    clinic_id varchar,
    answered_at varchar,
    channel varchar,
    status varchar,
    comment varchar,
)
