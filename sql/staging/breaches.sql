-- One row per breach of a batch not yet staged, or to be staged again, typed.
with

batches as (
    select batch_id, batch_number, is_staged, cast(taken_in_at as date) as taken_in_date
    from raw.batches
    where not is_staged or batch_id in (select batch_id from staging.again where feed = 'breaches')
),

again as (
    select batch_id, row_number from staging.again where feed = 'breaches'
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
        breaches.row_number,
        breaches.breach_id,
        breaches.patient_id,
        breaches.provider_id,
        coalesce(units.clinic_id, nullif(trim(breaches.clinic_id), '')) as clinic_id,
        try_cast(trim(breaches.breach_date) as date) as breach_date,
        nullif(trim(breaches.breach_date), '') as breach_date_text,
        nullif(lower(trim(breaches.kind)), '') as breach_kind,
        nullif(lower(trim(breaches.severity)), '') as severity,
        batches.taken_in_date as taken_in_date_text,
        unit_tables.is_given and units.clinic_id is null and nullif(trim(breaches.clinic_id), '') is not null
            as is_unit_unknown_text,
        cast(null as varchar) as superseded_reason,
    from raw.breaches
    inner join batches using (batch_id)
    cross join unit_tables
    left join units on trim(breaches.clinic_id) = units.alias
    left join again on breaches.batch_id = again.batch_id and breaches.row_number = again.row_number
    where not batches.is_staged or again.row_number is not null
)

select * from typed
