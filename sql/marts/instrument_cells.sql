-- One row per scale, calendar year and pair of its items (item_a <= item_b): sums of complete responses as answered.
with

answers as (
    select * from core.answers
    where answer_value is not null
),

responses as (
    select response_id, cast(date_trunc('year', experience_date) as date) as period_start
    from core.responses
),

scores as (
    select * from core.scores
),

items as (
    select
        *,
        -- Short keys: grouping by three names costs more than grouping by one number.
        cast(dense_rank() over (order by instrument_id, instrument_version, scale_id) as integer) as scale_key,
        cast(
            row_number() over (partition by instrument_id, instrument_version, scale_id order by item_id) as integer
        ) as position,
    from core.items
    where scale_id is not null
),

complete_responses as (
    select
        answers.response_id,
        items.scale_key,
        list({'position': items.position, 'answer': answers.answer_value}) as answer_pattern,
        bool_and(answers.answer_value = if(items.is_reversed, items.minimum, items.maximum)) as is_ceiling,
        bool_and(answers.answer_value = if(items.is_reversed, items.maximum, items.minimum)) as is_floor,
    from answers
    inner join items using (instrument_id, instrument_version, item_id)
    group by all
    having count(*) = any_value(items.n_items)
),

patterns as (
    -- Responses answered alike are counted once, so that the pairs below are made from patterns, not from responses.
    select
        complete_responses.scale_key,
        responses.period_start,
        list_sort(complete_responses.answer_pattern) as answer_pattern,
        complete_responses.is_ceiling,
        complete_responses.is_floor,
        count(*) as n_complete,
    from complete_responses
    inner join responses using (response_id)
    group by all
),

pairs as (
    select
        scale_key,
        item_a.instrument_id,
        item_a.instrument_version,
        item_a.scale_id,
        item_a.item_id as item_a,
        item_b.item_id as item_b,
        item_a.position as position_a,
        item_b.position as position_b,
    from items as item_a
    inner join items as item_b using (scale_key)
    where item_a.position <= item_b.position
),

paired_answers as (
    select
        patterns.* exclude (answer_pattern),
        pairs.position_a,
        pairs.position_b,
        patterns.answer_pattern[pairs.position_a].answer as answer_a,
        patterns.answer_pattern[pairs.position_b].answer as answer_b,
    from patterns
    inner join pairs using (scale_key)
),

pair_sums as (
    select
        scale_key,
        period_start,
        position_a,
        position_b,
        cast(sum(n_complete) as bigint) as n_complete,
        cast(coalesce(sum(n_complete) filter (where is_ceiling), 0) as bigint) as n_ceiling,
        cast(coalesce(sum(n_complete) filter (where is_floor), 0) as bigint) as n_floor,
        cast(sum(n_complete * answer_a) as bigint) as sum_a,
        cast(sum(n_complete * answer_b) as bigint) as sum_b,
        cast(sum(n_complete * answer_a * answer_b) as bigint) as sum_ab,
    from paired_answers
    group by all
),

scale_years as (
    select
        scores.instrument_id,
        scores.instrument_version,
        scores.scale_id,
        responses.period_start,
        count(*) filter (where scores.is_scorable) as n_responses,
    from scores
    inner join responses using (response_id)
    group by all
),

cells as (
    -- A scale that was asked but never answered in full keeps its rows, with counts of zero and no sums.
    select
        pairs.instrument_id,
        pairs.instrument_version,
        pairs.scale_id,
        scale_years.period_start,
        pairs.item_a,
        pairs.item_b,
        scale_years.n_responses,
        coalesce(pair_sums.n_complete, 0) as n_complete,
        coalesce(pair_sums.n_ceiling, 0) as n_ceiling,
        coalesce(pair_sums.n_floor, 0) as n_floor,
        pair_sums.sum_a,
        pair_sums.sum_b,
        pair_sums.sum_ab,
    from scale_years
    inner join pairs using (instrument_id, instrument_version, scale_id)
    left join pair_sums using (scale_key, period_start, position_a, position_b)
)

select * from cells
