-- One row per response and scale: the score on 0-100 (high = trust) by the instrument's rule, as trust/scoring.py specifies it.
with

answers as (
    select * from core.answers
),

items as (
    select
        *,
        cast(dense_rank() over (order by instrument_id, instrument_version, scale_id) as utinyint) as scale_key,
    from core.items
    where scale_id is not null
),

scales as (
    select distinct scale_key, instrument_id, instrument_version, scale_id, minimum_answered, minimum, maximum, n_items
    from items
),

oriented as (
    select
        answers.response_id,
        items.scale_key,
        case when items.is_reversed then items.minimum + items.maximum - answers.answer_value else answers.answer_value end
            as oriented_value,
    from answers
    -- ids of items are unique across questionnaires
    inner join items using (item_id)
),

-- A short key for the scale: grouping ten million answers by its three names takes twice as long.
summed as (
    select
        response_id,
        scale_key,
        count(oriented_value) as n_answered,
        sum(oriented_value) as total,
    from oriented
    group by all
)

select
    summed.response_id,
    scales.instrument_id,
    scales.instrument_version,
    scales.scale_id,
    case when n_answered >= minimum_answered
        then 100.0 * (total - n_answered * minimum) / (n_answered * (maximum - minimum))
    end as score,
    n_answered,
    n_items,
    n_answered >= minimum_answered as is_scorable,
from summed
inner join scales using (scale_key)
