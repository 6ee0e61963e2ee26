-- One row: up to when the data reach, and what a page says of the whole. Never the clock: the same input gives the same row.
with

dates as (
    select max(visit_date) as last_date, min(visit_date) as first_date from staging.visits where not is_superseded
    union all
    select max(answered_date), min(answered_date) from staging.responses where not is_superseded
    union all
    select max(start_date), null from staging.interventions where not is_superseded
    union all
    select max(breach_date), null from staging.breaches where not is_superseded
    union all
    select max(made_date), null from staging.commitments where not is_superseded
),

reach as (
    select max(last_date) as last_date, min(first_date) as first_date from dates
),

answered_scales as (
    select scores.scale_id, count(*) as n_responses
    from core.scores
    inner join core.instruments using (scale_id)
    where scores.is_scorable and instruments.is_trust_scale
    group by all
),

other_scales as (
    select scale_id, count(*) as n_responses
    from core.scores
    where is_scorable
    group by all
),

settings as (
    select * from staging.settings
)

select
    reach.last_date as as_of_date,
    reach.first_date,
    reach.last_date,
    coalesce(
        nullif(settings.primary_scale, ''),
        (select max_by(scale_id, n_responses) from answered_scales),
        (select max_by(scale_id, n_responses) from other_scales),
        ''
    ) as primary_scale_id,
    settings.minimum_cell,
    settings.hospital_name,
from settings
cross join reach
