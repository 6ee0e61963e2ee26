-- One row per unit and month from which answers may not be compared with those before, with what changed and a sentence.
-- No limit, trend or effect is carried across one. No sentence holds a count.
with

calendar as (
    select cast(date_trunc('month', as_of_date) as date) as last_month from core.calendar
),

responses as not materialized (
    select
        response_id,
        clinic_id,
        channel,
        cast(date_trunc('month', experience_date) as date) as period_start,
    from core.responses
),

-- 1. Found: the number of answers jumped or fell.
collection_breaks as (
    select
        case when subject = 'all' then 'organisation' else 'clinic' end as unit_level,
        subject as unit_id,
        period_start,
        'collection' as break_kind,
        'The number of answers a month changed at once in ' || strftime(period_start, '%B %Y')
        || ': a change in how answers were collected.' as sentence,
        false as is_bridged,
    from marts.data_quality
    where check_id = 'break_in_collection' and status = 'break'
),

-- 2. Found: another channel. The three months from a month on against the three before it.
clinic_cells as (
    select clinic_id, period_start, channel, count(*) as n_responses
    from responses
    where channel is not null
    group by all
),

channel_cells as (
    select 'organisation' as unit_level, 'all' as unit_id, period_start, channel, sum(n_responses) as n_responses
    from clinic_cells
    group by all
    union all
    select 'clinic', clinic_id, period_start, channel, n_responses
    from clinic_cells
    where clinic_id is not null
),

channel_spans as (
    select unit_level, unit_id, min(period_start) as first_month, max(period_start) as last_month
    from channel_cells
    group by all
),

channel_months as (
    select
        channel_spans.unit_level,
        channel_spans.unit_id,
        channels.channel,
        cast(unnest(generate_series(first_month, last_month, interval 1 month)) as date) as period_start,
    from channel_spans
    inner join (select distinct unit_level, unit_id, channel from channel_cells) as channels using (unit_level, unit_id)
),

channel_counts as (
    select
        channel_months.*,
        coalesce(channel_cells.n_responses, 0) as n_channel,
        sum(coalesce(channel_cells.n_responses, 0)) over (
            partition by channel_months.unit_level, channel_months.unit_id, channel_months.period_start
        ) as n_month,
    from channel_months
    left join channel_cells using (unit_level, unit_id, channel, period_start)
),

channel_sides as (
    select
        unit_level,
        unit_id,
        channel,
        period_start,
        sum(n_channel) over before as n_channel_before,
        sum(n_month) over before as n_before,
        sum(n_channel) over after as n_channel_after,
        sum(n_month) over after as n_after,
    from channel_counts
    window
        before as (
            partition by unit_level, unit_id, channel order by period_start rows between 3 preceding and 1 preceding
        ),
        after as (
            partition by unit_level, unit_id, channel order by period_start rows between current row and 2 following
        )
),

channel_moves as (
    select
        *,
        abs(n_channel_after / n_after - n_channel_before / n_before) as move,
        (n_channel_before + n_channel_after) / (n_before + n_after) as pooled_share,
    from channel_sides
    where n_before >= 30 and n_after >= 30
),

-- More than ten points, and more than chance; of neighbouring months the one with the largest move. Five standard
-- errors, because thousands of months, channels and clinics are looked at, and a false break costs a chart its limits.
channel_shifts as (
    select
        *,
        max(move) over (
            partition by unit_level, unit_id, channel order by period_start rows between 2 preceding and 2 following
        ) as largest_move,
    from channel_moves
    qualify
        move > 0.1
        and move > 5 * sqrt(pooled_share * (1 - pooled_share) * (1 / n_before + 1 / n_after))
        and move = largest_move
),

channel_breaks as (
    select
        unit_level,
        unit_id,
        period_start,
        'channel' as break_kind,
        'From ' || strftime(period_start, '%B %Y') || ' on answers came in by other channels than before ('
        || replace(max_by(channel, move), '_', ' ') || ' moved most).' as sentence,
        false as is_bridged,
    from channel_shifts
    group by unit_level, unit_id, period_start
),

-- 3. Found: another version of the questionnaire, by what most answers of a month used.
-- Most scales have one version only: then no answer has to be looked at.
scales as (
    select scale_id from core.scores group by scale_id having min(instrument_version) <> max(instrument_version)
),

version_cells as (
    select scores.scale_id, scores.instrument_version, responses.clinic_id, responses.period_start, count(*) as n
    from core.scores as scores
    semi join scales using (scale_id)
    inner join responses using (response_id)
    group by all
),

version_units as (
    select
        case when grouping(clinic_id) = 0 then 'clinic' else 'organisation' end as unit_level,
        case when grouping(clinic_id) = 0 then clinic_id else 'all' end as unit_id,
        scale_id,
        instrument_version,
        period_start,
        sum(n) as n,
    from version_cells
    group by grouping sets (
        (scale_id, instrument_version, period_start), (clinic_id, scale_id, instrument_version, period_start)
    )
    having unit_id is not null
),

version_months as (
    select unit_level, unit_id, scale_id, period_start, max_by(instrument_version, n) as instrument_version
    from version_units
    group by all
),

version_changes as (
    select * from version_months
    qualify
        instrument_version <> lag(instrument_version) over (partition by unit_level, unit_id, scale_id order by period_start)
),

version_breaks as (
    select
        unit_level,
        unit_id,
        period_start,
        'instrument_version' as break_kind,
        'From ' || strftime(period_start, '%B %Y') || ' on most answers are to another version of the questionnaire ('
        || string_agg(scale_id || ' ' || instrument_version, ', ' order by scale_id) || ').' as sentence,
        false as is_bridged,
    from version_changes
    group by unit_level, unit_id, period_start
),

-- 4. Declared in the settings: "2024-02: a new survey firm; 2025-06: paper ended, bridged: both ways for 3 months".
declared as (
    select
        cast(regexp_extract(part, '(\d{4}-\d{2})', 1) || '-01' as date) as period_start,
        trim(regexp_replace(part, '^\s*\d{4}-\d{2}\s*:?', '')) as what,
    from (select unnest(string_split(breaks, ';')) as part from staging.settings)
    where trim(part) <> ''
),

units as (
    select 'organisation' as unit_level, 'all' as unit_id
    union all
    select distinct 'clinic', clinic_id from responses where clinic_id is not null
),

declared_breaks as (
    select
        units.unit_level,
        units.unit_id,
        declared.period_start,
        'declared' as break_kind,
        'From ' || strftime(declared.period_start, '%B %Y') || ' on: ' || declared.what || '.' as sentence,
        contains(lower(declared.what), 'bridged:') as is_bridged,
    from declared
    cross join units
),

all_breaks as (
    select * from collection_breaks
    union all
    select * from channel_breaks
    union all
    select * from version_breaks
    union all
    select * from declared_breaks
),

result as (
    select all_breaks.*
    from all_breaks
    cross join calendar
    where all_breaks.period_start <= calendar.last_month
    order by unit_level, unit_id, period_start, break_kind
)

select * from result
