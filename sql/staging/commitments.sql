-- One row per commitment of a batch not yet staged, typed.
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
        commitments.row_number,
        commitments.commitment_id,
        commitments.patient_id,
        nullif(trim(commitments.clinic_id), '') as clinic_id,
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
    from raw.commitments
    inner join batches using (batch_id)
)

select * from typed
