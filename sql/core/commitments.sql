-- One row per commitment: a promise to a patient, and whether it was kept. Past due without evidence is unknown, never kept.
with

commitments as (
    select * from staging.commitments
    where not is_superseded
),

calendar as (
    select as_of_date from core.calendar
)

select
    commitments.commitment_id,
    commitments.patient_id,
    commitments.clinic_id,
    commitments.breach_id,
    commitments.made_date,
    commitments.due_date,
    commitments.kept_date,
    commitments.recorded_outcome,
    commitments.told_date,
    case
        when commitments.recorded_outcome = 'broken' then 'broken'
        when commitments.kept_date <= commitments.due_date then 'kept'
        when commitments.kept_date > commitments.due_date then 'late'
        when commitments.due_date < calendar.as_of_date then 'unknown'
        else 'open'
    end as commitment_status,
    commitments.batch_id,
from commitments
cross join calendar
