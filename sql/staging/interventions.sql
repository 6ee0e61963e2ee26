-- One row per intervention of a batch not yet staged, or to be staged again, typed; the unit is the one its level names.
with

batches as (
    select batch_id, batch_number, is_staged, cast(taken_in_at as date) as taken_in_date
    from raw.batches
    where not is_staged or batch_id in (select batch_id from staging.again where feed = 'interventions')
),

again as (
    select batch_id, row_number from staging.again where feed = 'interventions'
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
        interventions.row_number,
        interventions.intervention_id,
        nullif(replace(replace(lower(trim(interventions.strategy)), ' ', '_'), '-', '_'), '') as strategy_id,
        nullif(lower(trim(interventions.level)), '') as unit_level,
        case lower(trim(interventions.level))
            when 'patient' then cast(interventions.patient_id as varchar)
            when 'provider' then cast(interventions.provider_id as varchar)
            when 'clinic' then coalesce(units.clinic_id, nullif(trim(interventions.clinic_id), ''))
        end as unit_id,
        interventions.patient_id,
        interventions.provider_id,
        coalesce(units.clinic_id, nullif(trim(interventions.clinic_id), '')) as clinic_id,
        interventions.breach_id,
        try_cast(trim(interventions.start_date) as date) as start_date,
        nullif(trim(interventions.start_date), '') as start_date_text,
        try_cast(trim(interventions.end_date) as date) as end_date,
        nullif(trim(interventions.end_date), '') as end_date_text,
        batches.taken_in_date as taken_in_date_text,
        unit_tables.is_given and units.clinic_id is null and nullif(trim(interventions.clinic_id), '') is not null
            as is_unit_unknown_text,
        cast(null as varchar) as superseded_reason,
    from raw.interventions
    inner join batches using (batch_id)
    cross join unit_tables
    left join units on trim(interventions.clinic_id) = units.alias
    left join again on interventions.batch_id = again.batch_id and interventions.row_number = again.row_number
    where not batches.is_staged or again.row_number is not null
)

select * from typed
