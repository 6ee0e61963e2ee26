-- One row per input file that was taken back: nothing of it is left but this line, and it is not taken in again.
create table if not exists raw.withdrawn_batches (
    batch_id varchar primary key,
    feed varchar not null,
    mapping varchar not null,
    file_name varchar not null,
    n_bytes bigint not null,
    encoding varchar not null,
    taken_in_at timestamp not null,
    withdrawn_at timestamp not null,
    n_read bigint not null,
)
