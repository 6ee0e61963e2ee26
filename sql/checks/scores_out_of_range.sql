-- One row per score below 0 or above 100.
-- Stops the run.
with

scores as (
    select response_id, scale_id, score from core.scores
),

offenders as (
    select 'core.scores' as feed, response_id || ':' || scale_id as row_key
    from scores
    where score not between 0 and 100
)

select * from offenders
