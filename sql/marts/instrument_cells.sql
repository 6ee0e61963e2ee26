-- One row per scale, calendar year, channel, pair of its items (item_a <= item_b) and answers to both: complete responses.
with

items as (
    select
        *,
        cast(dense_rank() over (order by instrument_id, instrument_version, scale_id) as integer) as scale_key,
        cast(
            row_number() over (partition by instrument_id, instrument_version, scale_id order by item_id) - 1 as integer
        ) as position,
        cast(ceil(log2(
            max(maximum - minimum) over (partition by instrument_id, instrument_version, scale_id) + 1
        )) as integer) as bits,
    from core.items
    where scale_id is not null
),

places as (
    -- A response becomes two numbers, a few bits per item, and items are looked at in blocks of two groups: pairs are
    -- then made from the answers of two groups, which many responses share, and not from responses.
    select
        *,
        if(bits <= 3, 3, 2) as group_size,
        position // if(bits <= 3, 3, 2) as item_group,
        60 // (bits * if(bits <= 3, 3, 2)) as groups_per_number,
    from items
),

shifts as (
    select
        *,
        item_group < groups_per_number as is_low,
        bits * (position - if(item_group < groups_per_number, 0, groups_per_number * group_size)) as shift,
    from places
),

complete_responses as (
    -- ids of items are unique across questionnaires
    select
        answers.response_id,
        shifts.scale_key,
        bit_or(if(shifts.is_low, cast(answers.answer_value - shifts.minimum as bigint) << shifts.shift, 0)) as low,
        bit_or(if(shifts.is_low, 0, cast(answers.answer_value - shifts.minimum as bigint) << shifts.shift)) as high,
    from core.answers
    inner join shifts using (item_id)
    where answers.answer_value is not null
    group by answers.response_id, shifts.scale_key
    having count(*) = any_value(shifts.n_items)
),

patterns as (
    select
        complete_responses.scale_key,
        cast(date_trunc('year', responses.experience_date) as date) as period_start,
        responses.channel,
        complete_responses.low,
        complete_responses.high,
    from complete_responses
    inner join core.responses using (response_id)
),

item_groups as (
    select distinct scale_key, item_group, is_low, bits * group_size as width, min(shift) over (
        partition by scale_key, item_group
    ) as shift
    from shifts
),

blocks as (
    select
        first_group.scale_key,
        first_group.item_group as group_a,
        second_group.item_group as group_b,
        first_group.is_low as is_low_a,
        second_group.is_low as is_low_b,
        first_group.shift as shift_a,
        second_group.shift as shift_b,
        (1 << first_group.width) - 1 as mask,
    from item_groups as first_group
    inner join item_groups as second_group using (scale_key)
    where first_group.item_group <= second_group.item_group
),

block_patterns as (
    select
        patterns.scale_key,
        patterns.period_start,
        patterns.channel,
        blocks.group_a,
        blocks.group_b,
        cast((if(blocks.is_low_a, patterns.low, patterns.high) >> blocks.shift_a) & blocks.mask as integer) as answers_a,
        cast((if(blocks.is_low_b, patterns.low, patterns.high) >> blocks.shift_b) & blocks.mask as integer) as answers_b,
        count(*) as n_complete,
    from patterns
    inner join blocks using (scale_key)
    group by all
),

pairs as (
    select
        scale_key,
        item_a.instrument_id,
        item_a.instrument_version,
        item_a.scale_id,
        item_a.item_group as group_a,
        item_b.item_group as group_b,
        item_a.item_id as item_a,
        item_b.item_id as item_b,
        item_a.bits * (item_a.position % item_a.group_size) as shift_a,
        item_b.bits * (item_b.position % item_b.group_size) as shift_b,
        (1 << item_a.bits) - 1 as mask,
        item_a.minimum as minimum_a,
        item_b.minimum as minimum_b,
    from places as item_a
    inner join places as item_b using (scale_key)
    where item_a.position <= item_b.position
),

cells as (
    select
        pairs.instrument_id,
        pairs.instrument_version,
        pairs.scale_id,
        block_patterns.period_start,
        block_patterns.channel,
        pairs.item_a,
        pairs.item_b,
        cast(pairs.minimum_a + ((block_patterns.answers_a >> pairs.shift_a) & pairs.mask) as integer) as answer_a,
        cast(pairs.minimum_b + ((block_patterns.answers_b >> pairs.shift_b) & pairs.mask) as integer) as answer_b,
        cast(sum(block_patterns.n_complete) as bigint) as n_complete,
    from block_patterns
    inner join pairs using (scale_key, group_a, group_b)
    group by all
)

select * from cells
