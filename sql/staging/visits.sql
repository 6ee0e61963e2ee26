-- One row per visit of a batch not yet staged, or to be staged again, typed; a column's text stands beside it where it may not be readable.
with

batches as (
    select batch_id, batch_number, is_staged, cast(taken_in_at as date) as taken_in_date
    from raw.batches
    where not is_staged or batch_id in (select batch_id from staging.again where feed = 'visits')
),

again as (
    select batch_id, row_number from staging.again where feed = 'visits'
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
        visits.row_number,
        visits.visit_id,
        visits.patient_id,
        visits.provider_id,
        coalesce(units.clinic_id, nullif(trim(visits.clinic_id), '')) as clinic_id,
        try_cast(trim(visits.visit_date) as date) as visit_date,
        nullif(trim(visits.visit_date), '') as visit_date_text,
        nullif(trim(visits.age_band), '') as age_band,
        case lower(trim(visits.expectations_agreed))
            when 'yes' then true
            when 'true' then true
            when '1' then true
            when 'no' then false
            when 'false' then false
            when '0' then false
        end as is_expectations_agreed,
        nullif(trim(visits.expectations_agreed), '') as is_expectations_agreed_text,
        batches.taken_in_date as taken_in_date_text,
        unit_tables.is_given and units.clinic_id is null and nullif(trim(visits.clinic_id), '') is not null
            as is_unit_unknown_text,
        cast(null as varchar) as superseded_reason,
    from raw.visits
    inner join batches using (batch_id)
    cross join unit_tables
    left join units on trim(visits.clinic_id) = units.alias
    left join again on visits.batch_id = again.batch_id and visits.row_number = again.row_number
    where not batches.is_staged or again.row_number is not null
)

select * from typed
