-- One row per response as received, of one input file.
create table if not exists raw.responses (
    batch_id varchar not null,
    row_number bigint not null,
    response_id uuid,
    visit_id uuid,
    patient_id uuid,
    provider_id uuid,
    clinic_id varchar,
    answered_at varchar,
    channel varchar,
    status varchar,
    comment varchar,
)
