-- Which promises are past due without evidence that they were kept, and was the patient told?
with

overdue as (
    select
        clinic_id,
        commitment_id,
        breach_id is not null as is_after_breach,
        made_date,
        due_date,
        days_overdue,
        is_patient_told,
        trust_before_score,
    from marts.commitment_ledger
    where commitment_status = 'unknown'
)

select * from overdue
order by days_overdue desc, commitment_id
