-- One row per table that is added to, not rebuilt: the version of the query that made it.
create table if not exists raw.model_versions (
    model varchar primary key,
    version varchar not null,
)
