-- One row per breach of a batch not yet staged, typed.
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
        breaches.row_number,
        breaches.breach_id,
        breaches.patient_id,
        breaches.provider_id,
        nullif(trim(breaches.clinic_id), '') as clinic_id,
        try_cast(trim(breaches.breach_date) as date) as breach_date,
        nullif(trim(breaches.breach_date), '') as breach_date_text,
        nullif(lower(trim(breaches.kind)), '') as breach_kind,
        nullif(lower(trim(breaches.severity)), '') as severity,
        batches.taken_in_date as taken_in_date_text,
    from raw.breaches
    inner join batches using (batch_id)
)

select * from typed
