-- One row per visit of a batch not yet staged, typed; a column's text stands beside it where it may not be readable.
with

batches as (
    select batch_id, batch_number, cast(taken_in_at as date) as taken_in_date
    from raw.batches
    where not is_staged
),

typed as (
    select
        batches.batch_id,
        batches.batch_number,
        visits.row_number,
        visits.visit_id,
        visits.patient_id,
        visits.provider_id,
        nullif(trim(visits.clinic_id), '') as clinic_id,
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
    from raw.visits
    inner join batches using (batch_id)
)

select * from typed
