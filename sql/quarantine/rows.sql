-- One row per broken rule of a row that was set aside: where it is and which rule, never a value.
create table if not exists quarantine.rows (
    feed varchar not null,
    batch_id varchar not null,
    row_number bigint not null,
    row_key varchar,
    rule varchar not null,
    column_name varchar,
)
