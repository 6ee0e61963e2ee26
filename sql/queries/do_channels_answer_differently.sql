-- Do answers by text message, phone or paper differ, so that a change of channel could look like a change of trust?
with

scored as (
    select responses.channel, scores.score
    from core.scores as scores
    inner join core.responses as responses using (response_id)
    inner join core.calendar as calendar on scores.scale_id = calendar.primary_scale_id
    where scores.is_scorable
),

by_channel as (
    select
        channel,
        count(*) as n_responses,
        avg(score) as mean_score,
        1.96 * stddev_samp(score) / sqrt(count(*)) as margin,
    from scored
    group by channel
)

select channel, n_responses, mean_score, mean_score - margin as low, mean_score + margin as high
from by_channel
order by n_responses desc
