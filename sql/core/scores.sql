-- One row per response and scale: the score on 0-100 (high = trust) by the instrument's rule, as trust/scoring.py specifies it.
with

answers as (
    select * from core.answers
),

items as (
    select * from core.items
    where scale_id is not null
),

oriented as (
    select
        answers.response_id,
        answers.batch_id,
        items.instrument_id,
        items.instrument_version,
        items.scale_id,
        items.minimum_answered,
        items.minimum,
        items.maximum,
        items.n_items,
        case when items.is_reversed then items.minimum + items.maximum - answers.answer_value else answers.answer_value end
            as oriented_value,
    from answers
    inner join items using (instrument_id, instrument_version, item_id)
),

summed as (
    select
        response_id,
        batch_id,
        instrument_id,
        instrument_version,
        scale_id,
        any_value(minimum_answered) as minimum_answered,
        any_value(minimum) as minimum,
        any_value(maximum) as maximum,
        any_value(n_items) as n_items,
        count(oriented_value) as n_answered,
        sum(oriented_value) as total,
    from oriented
    group by all
)

select
    response_id,
    instrument_id,
    instrument_version,
    scale_id,
    case when n_answered >= minimum_answered
        then 100.0 * (total - n_answered * minimum) / (n_answered * (maximum - minimum))
    end as score,
    n_answered,
    n_items,
    n_answered >= minimum_answered as is_scorable,
    batch_id,
from summed
