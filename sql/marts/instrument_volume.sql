-- One row per scale, calendar year and channel: responses that could be scored, answered in full, at the top, at the bottom.
with

scores as (
    select * from core.scores
),

responses as (
    select response_id, cast(date_trunc('year', experience_date) as date) as period_start, channel
    from core.responses
),

volume as (
    select
        scores.instrument_id,
        scores.instrument_version,
        scores.scale_id,
        responses.period_start,
        responses.channel,
        count(*) filter (where scores.is_scorable) as n_responses,
        count(*) filter (where scores.n_answered = scores.n_items) as n_complete,
        count(*) filter (where scores.n_answered = scores.n_items and scores.score = 100) as n_ceiling,
        count(*) filter (where scores.n_answered = scores.n_items and scores.score = 0) as n_floor,
    from scores
    inner join responses using (response_id)
    group by all
)

select * from volume
