-- One row per input file ever taken in, known by the SHA-256 of its bytes.
create table if not exists raw.batches (
    batch_id varchar primary key,
    batch_number integer not null,
    feed varchar not null,
    mapping varchar not null,
    file_name varchar not null,
    n_bytes bigint not null,
    encoding varchar not null,
    taken_in_at timestamp not null,
    n_read bigint not null,
    is_staged boolean not null,
)
