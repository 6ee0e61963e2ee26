-- One row per intervention of a batch not yet staged, typed; the unit is the one its level names.
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
        interventions.row_number,
        interventions.intervention_id,
        nullif(replace(replace(lower(trim(interventions.strategy)), ' ', '_'), '-', '_'), '') as strategy_id,
        nullif(lower(trim(interventions.level)), '') as unit_level,
        case lower(trim(interventions.level))
            when 'patient' then interventions.patient_id
            when 'provider' then interventions.provider_id
            when 'clinic' then nullif(trim(interventions.clinic_id), '')
        end as unit_id,
        interventions.patient_id,
        interventions.provider_id,
        nullif(trim(interventions.clinic_id), '') as clinic_id,
        interventions.breach_id,
        try_cast(trim(interventions.start_date) as date) as start_date,
        nullif(trim(interventions.start_date), '') as start_date_text,
        try_cast(trim(interventions.end_date) as date) as end_date,
        nullif(trim(interventions.end_date), '') as end_date_text,
        batches.taken_in_date as taken_in_date_text,
    from raw.interventions
    inner join batches using (batch_id)
)

select * from typed
