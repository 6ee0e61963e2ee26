-- One row per commitment of a batch not yet staged, or to be staged again, typed.
with

batches as (
    select batch_id, batch_number, is_staged, cast(taken_in_at as date) as taken_in_date
    from raw.batches
    where not is_staged or batch_id in (select batch_id from staging.again where feed = 'commitments')
),

again as (
    select batch_id, row_number from staging.again where feed = 'commitments'
),

units as (
    select alias, clinic_id from staging.units
),

unit_tables as (
    select count(*) > 0 as is_given from units
),

typed as (
    select
        batches.batch_id,
        batches.batch_number,
        commitments.row_number,
        commitments.commitment_id,
        commitments.patient_id,
        coalesce(units.clinic_id, nullif(trim(commitments.clinic_id), '')) as clinic_id,
        commitments.breach_id,
        try_cast(trim(commitments.made_date) as date) as made_date,
        nullif(trim(commitments.made_date), '') as made_date_text,
        try_cast(trim(commitments.due_date) as date) as due_date,
        nullif(trim(commitments.due_date), '') as due_date_text,
        try_cast(trim(commitments.kept_date) as date) as kept_date,
        nullif(trim(commitments.kept_date), '') as kept_date_text,
        nullif(lower(trim(commitments.outcome)), '') as recorded_outcome,
        try_cast(trim(commitments.told_date) as date) as told_date,
        nullif(trim(commitments.told_date), '') as told_date_text,
        batches.taken_in_date as taken_in_date_text,
        unit_tables.is_given and units.clinic_id is null and nullif(trim(commitments.clinic_id), '') is not null
            as is_unit_unknown_text,
        cast(null as varchar) as superseded_reason,
    from raw.commitments
    inner join batches using (batch_id)
    cross join unit_tables
    left join units on trim(commitments.clinic_id) = units.alias
    left join again on commitments.batch_id = again.batch_id and commitments.row_number = again.row_number
    where not batches.is_staged or again.row_number is not null
)

select * from typed
