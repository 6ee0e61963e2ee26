-- One row per scale, score at the first questionnaire of a patient and score at the second: how many patients.
with

responses as (
    select response_id, patient_id, experience_date
    from core.responses
    where patient_id is not null
),

scales as (
    -- A short key for the scale: ordering two million rows within its name takes a third longer.
    select scale_id, cast(row_number() over (order by scale_id) as utinyint) as scale_key
    from (select distinct scale_id from core.scores)
),

asked as (
    -- A questionnaire without enough answers for a score is a time of asking too: it is not passed over for a later one.
    select
        scales.scale_key,
        responses.patient_id,
        scores.score,
        row_number() over (
            partition by scales.scale_key, responses.patient_id
            order by responses.experience_date, responses.response_id
        ) as asked_number,
    from core.scores as scores
    inner join responses using (response_id)
    inner join scales using (scale_id)
),

pairs as (
    select
        scale_key,
        patient_id,
        max(score) filter (where asked_number = 1) as first_score,
        max(score) filter (where asked_number = 2) as second_score,
    from asked
    where asked_number <= 2
    group by all
),

cells as (
    select scales.scale_id, first_score, second_score, count(*) as n_patients
    from pairs
    inner join scales using (scale_key)
    where first_score is not null and second_score is not null
    group by all
)

select * from cells
