-- One row per commitment: what became of it, and that patient's score before it was made and after it was settled.
with

commitments as (
    select
        *,
        -- A promise is settled on the day it was kept, late or not; a broken or unproven one on the day it was due.
        case when commitment_status in ('kept', 'late') then kept_date
            when commitment_status in ('broken', 'unknown') then due_date
        end as settled_date,
    from core.commitments
),

calendar as (
    select as_of_date, primary_scale_id from core.calendar
),

scored as (
    select responses.patient_id, responses.response_id, responses.experience_date, scores.score
    from core.scores as scores
    inner join calendar on scores.scale_id = calendar.primary_scale_id
    inner join core.responses as responses using (response_id)
    where scores.is_scorable
),

trust as (
    select
        commitments.commitment_id,
        arg_max(scored.score, (scored.experience_date, scored.response_id)) filter (
            where scored.experience_date < commitments.made_date
            and scored.experience_date >= commitments.made_date - interval 12 months
        ) as trust_before_score,
        arg_min(scored.score, (scored.experience_date, scored.response_id)) filter (
            where scored.experience_date > commitments.settled_date
            and scored.experience_date <= commitments.settled_date + interval 6 months
        ) as trust_after_score,
    from commitments
    inner join scored using (patient_id)
    group by commitments.commitment_id
),

ledger as (
    select
        commitments.commitment_id,
        commitments.patient_id,
        commitments.clinic_id,
        commitments.breach_id,
        commitments.made_date,
        commitments.due_date,
        commitments.kept_date,
        commitments.told_date,
        commitments.commitment_status,
        case commitments.commitment_status
            when 'late' then commitments.kept_date - commitments.due_date
            when 'unknown' then calendar.as_of_date - commitments.due_date
        end as days_overdue,
        commitments.told_date is not null as is_patient_told,
        trust.trust_before_score,
        trust.trust_after_score,
    from commitments
    cross join calendar
    left join trust using (commitment_id)
)

select * from ledger
