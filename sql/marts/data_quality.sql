-- One row per finding about the data, good or bad, with a sentence that a leader can read.
with

calendar as (
    select
        as_of_date,
        cast(date_trunc('month', as_of_date) as date) as last_month,
        as_of_date = last_day(as_of_date) as is_last_month_whole,
        primary_scale_id,
        coalesce(minimum_cell, 0) as minimum_cell,
    from core.calendar
),

batches as (
    select feed, n_read, n_kept, n_quarantined, n_set_aside, n_superseded from core.batches
),

quarantined as (
    select feed, rule, count(distinct (batch_id, row_number)) as n_flagged
    from quarantine.rows
    group by all
),

responses as (
    select
        clinic_id,
        channel,
        cast(date_trunc('month', experience_date) as date) as period_start,
        cast(date_trunc('quarter', experience_date) as date) as quarter_start,
        count(*) as n_responses,
        count(*) - count(lag_days) as n_without_visit,
    from core.responses
    group by all
),

visits as (
    select count(*) as n_visits from core.visits
),

trust as (
    select trust_by_period.period_start, trust_by_period.n_invited, trust_by_period.response_share
    from marts.trust_by_period as trust_by_period
    inner join calendar on trust_by_period.scale_id = calendar.primary_scale_id
    where trust_by_period.unit_level = 'organisation'
),

scores as (
    select instrument_id, instrument_version, scale_id, count(*) as n_rows, count_if(not is_scorable) as n_flagged
    from core.scores
    group by all
),

-- 1. Breaks in collection: a month's answers against the median of the six months before it.
volumes as (
    select 'organisation' as unit_level, 'all' as subject, period_start, sum(n_responses) as n_responses
    from responses
    group by all
    union all
    select 'clinic', clinic_id, period_start, sum(n_responses)
    from responses
    where clinic_id is not null
    group by all
),

months as (
    select
        units.unit_level,
        units.subject,
        cast(unnest(generate_series(units.first_month, calendar.last_month, interval 1 month)) as date) as period_start,
    from (select unit_level, subject, min(period_start) as first_month from volumes group by all) as units
    cross join calendar
),

-- A month between without any answer is a month with 0 of them.
usual_volumes as (
    select
        months.unit_level,
        months.subject,
        months.period_start,
        coalesce(volumes.n_responses, 0) as n_responses,
        median(coalesce(volumes.n_responses, 0)) over before as usual_n,
        count(*) over before as n_before,
    from months
    left join volumes using (unit_level, subject, period_start)
    window before as (
        partition by months.unit_level, months.subject
        order by months.period_start
        rows between 6 preceding and 1 preceding
    )
),

directions as (
    select
        usual_volumes.*,
        case
            when n_before < 3 or greatest(n_responses, usual_n) < 30 then 0
            when n_responses > 3 * usual_n then 1
            -- A month that is not over yet always looks low.
            when n_responses < usual_n / 3
                and (usual_volumes.period_start < calendar.last_month or calendar.is_last_month_whole) then -1
            else 0
        end as direction,
    from usual_volumes
    cross join calendar
),

-- The median needs some months to follow a new level: months that go on in the same direction are the same break.
breaks as (
    select * from directions
    qualify
        direction <> 0
        and direction is distinct from lag(direction) over (partition by unit_level, subject order by period_start)
),

-- Rounded to two figures; a count of people below the smallest cell is not put into words.
worded_breaks as (
    select
        breaks.*,
        case
            when usual_n = 0 then 'none'
            when usual_n < calendar.minimum_cell then 'fewer than ' || calendar.minimum_cell
            else 'about ' || format(
                '{:,}', cast(round(usual_n, 1 - cast(floor(log10(usual_n)) as integer)) as bigint)
            )
        end as usual_words,
        case
            when n_responses = 0 then 'none'
            when n_responses < calendar.minimum_cell then 'fewer than ' || calendar.minimum_cell
            else format('{:,}', cast(round(n_responses, 1 - cast(floor(log10(n_responses)) as integer)) as bigint))
        end as new_words,
    from breaks
    cross join calendar
),

break_findings as (
    select
        'break_in_collection' as check_id,
        subject,
        period_start,
        n_responses as n_rows,
        n_responses as n_flagged,
        'break' as status,
        'Answers ' || case when unit_level = 'clinic' then 'at ' || subject || ' ' else '' end
        || case when direction > 0 then 'jumped' else 'fell' end
        || ' from ' || usual_words || ' to ' || new_words || ' a month in ' || strftime(period_start, '%B %Y')
        || ': a change in how answers were collected, so do not read the change in trust across it as real.'
        as sentence,
    from worded_breaks
),

break_all_clear as (
    select
        'break_in_collection' as check_id,
        'all' as subject,
        null as period_start,
        sum(n_responses) as n_rows,
        0 as n_flagged,
        'ok' as status,
        'No month has three times, or a third of, the usual number of answers.' as sentence,
    from volumes
    where unit_level = 'organisation'
    having not exists (select 1 from breaks) and sum(n_responses) > 0
),

-- 2. Response share: a month against the median of the six months before it.
usual_shares as (
    select
        period_start,
        n_invited,
        response_share,
        median(response_share) over before as usual_share,
        count(response_share) over before as n_before,
    from trust
    window before as (order by period_start rows between 6 preceding and 1 preceding)
),

-- A fall by a fifth that chance alone would not bring about (three standard errors).
share_falls as (
    select * from usual_shares
    where
        n_before >= 3
        and n_invited >= 30
        and response_share < 0.8 * usual_share
        and usual_share - response_share > 3 * sqrt(usual_share * (1 - usual_share) / n_invited)
),

share_findings as (
    select
        'response_share' as check_id,
        'all' as subject,
        period_start,
        n_invited as n_rows,
        cast(round(n_invited * (1 - response_share)) as bigint) as n_flagged,
        'warn' as status,
        case
            when n_invited * response_share < calendar.minimum_cell
                then format(
                    'In {} hardly any visits were answered, after {:.0f} % in the months before: '
                    || 'too few speak for the rest.',
                    strftime(period_start, '%B %Y'), 100 * usual_share
                )
            else format(
                'In {} {:.0f} % of visits were answered, after {:.0f} % in the months before: '
                || 'fewer speak for the rest.',
                strftime(period_start, '%B %Y'), 100 * response_share, 100 * usual_share
            )
        end as sentence,
    from share_falls
    cross join calendar
    union all
    select
        'response_share',
        'all',
        null,
        sum(n_invited),
        0,
        'ok',
        'The share of visits that are answered did not fall in any month.',
    from usual_shares
    having not exists (select 1 from share_falls) and sum(n_invited) > 0
),

-- 3. Rows set aside, by feed and rule.
rows_read as (
    select
        feed,
        sum(n_read) as n_read,
        sum(n_kept) as n_kept,
        sum(n_quarantined) as n_quarantined,
        sum(n_set_aside) as n_set_aside,
        sum(n_superseded) as n_superseded,
    from batches
    group by feed
),

quarantine_findings as (
    select
        'quarantine' as check_id,
        quarantined.feed as subject,
        null as period_start,
        rows_read.n_read as n_rows,
        quarantined.n_flagged,
        case when quarantined.n_flagged > 0.05 * rows_read.n_read then 'warn' else 'note' end as status,
        -- No sentence holds a count from which fewer people than the smallest cell could be told.
        case when quarantined.n_flagged < calendar.minimum_cell
            then format(
                'A few of the {:,} rows of {} were set aside by the rule "{}".',
                cast(rows_read.n_read as bigint), quarantined.feed, replace(quarantined.rule, '_', ' ')
            )
            else format(
                '{:,} of {:,} rows of {} were set aside by the rule "{}".',
                quarantined.n_flagged, cast(rows_read.n_read as bigint), quarantined.feed,
                replace(quarantined.rule, '_', ' ')
            )
        end as sentence,
    from quarantined
    cross join calendar
    left join rows_read using (feed)
),

-- 4. Rows set aside because they do not count, whatever they say: repeated, tests, unfinished, entered in error.
aside as (
    select 'responses' as feed, superseded_reason from staging.responses
    union all
    select 'visits', superseded_reason from staging.visits
    union all
    select 'interventions', superseded_reason from staging.interventions
    union all
    select 'breaches', superseded_reason from staging.breaches
    union all
    select 'commitments', superseded_reason from staging.commitments
),

aside_counts as (
    select feed, superseded_reason, count(*) as n_flagged
    from aside
    where superseded_reason not in ('corrected', 'withdrawn')
    group by all
),

aside_findings as (
    select
        'set_aside' as check_id,
        aside_counts.feed as subject,
        null as period_start,
        rows_read.n_read as n_rows,
        aside_counts.n_flagged,
        case when aside_counts.n_flagged > 0.05 * rows_read.n_read then 'warn' else 'note' end as status,
        case when aside_counts.n_flagged < calendar.minimum_cell
            then format('A few of the {:,} rows of {} do not count: ', cast(rows_read.n_read as bigint), aside_counts.feed)
            else format(
                '{:,} of {:,} rows of {} do not count: ',
                aside_counts.n_flagged, cast(rows_read.n_read as bigint), aside_counts.feed
            )
        end || case aside_counts.superseded_reason
            when 'repeated' then 'they stand twice in their file, word for word.'
            when 'duplicate' then 'the same patient answered the same questionnaire about the same visit twice.'
            when 'entered_in_error' then 'the source says that they were entered in error.'
            when 'in_progress' then 'they were not finished.'
            when 'preview' then 'they are previews of the survey.'
            when 'test' then 'they are tests of the survey.'
            when 'spam' then 'the source says that they are spam.'
        end as sentence,
    from aside_counts
    cross join calendar
    left join rows_read using (feed)
),

-- 5. Every row read is kept, set aside or replaced.
accounting_findings as (
    select
        'row_accounting' as check_id,
        feed as subject,
        null as period_start,
        n_read as n_rows,
        abs(n_read - n_kept - n_quarantined - n_set_aside - n_superseded) as n_flagged,
        case when n_read = n_kept + n_quarantined + n_set_aside + n_superseded then 'ok' else 'warn' end as status,
        format(
            case
                when n_read = n_kept + n_quarantined + n_set_aside + n_superseded
                    then 'All {:,} rows of {} are accounted for: kept, set aside by a rule or as a duplicate or test, '
                        || 'or replaced by a later correction.'
                else 'Not all {:,} rows of {} are accounted for: some were neither kept, nor set aside, nor replaced.'
            end,
            cast(n_read as bigint), feed
        ) as sentence,
    from rows_read
),

-- 6. Answers about a visit that is not on record.
visit_counts as (
    select
        sum(responses.n_responses) as n_rows,
        sum(responses.n_without_visit) as n_flagged,
        any_value(visits.n_visits) as n_visits,
    from responses
    cross join visits
    having sum(responses.n_responses) > 0
),

visit_findings as (
    select
        'answers_without_visit' as check_id,
        'all' as subject,
        null as period_start,
        n_rows,
        n_flagged,
        case
            when n_visits = 0 then 'note'
            when n_flagged = 0 then 'ok'
            when n_flagged > 0.05 * n_rows then 'warn'
            else 'note'
        end as status,
        case
            when n_visits = 0
                then 'No visits are on record, so how many people were asked, '
                    || 'and what share of them answered, is not known.'
            when n_flagged = 0 then 'Every answer belongs to a visit on record.'
            when n_flagged < calendar.minimum_cell
                then 'A few answers belong to no visit on record; '
                    || 'they count in the scores, not in the share of visits answered.'
            else format(
                '{:.1f} % of the answers belong to no visit on record; '
                || 'they count in the scores, not in the share of visits answered.',
                100 * n_flagged / n_rows
            )
        end as sentence,
    from visit_counts
    cross join calendar
),

-- 7. Channel mix: the share of one channel in a quarter against the quarter before.
channel_quarters as (
    select channels.channel, quarters.quarter_start, quarters.n_quarter, coalesce(counts.n_responses, 0) as n_channel
    from (
        select quarter_start, sum(n_responses) as n_quarter from responses where channel is not null group by all
    ) as quarters
    cross join (select distinct channel from responses where channel is not null) as channels
    left join (
        select channel, quarter_start, sum(n_responses) as n_responses from responses group by all
    ) as counts using (channel, quarter_start)
),

channel_shifts as (
    select
        *,
        n_channel / n_quarter as channel_share,
        lag(n_channel / n_quarter) over by_channel as previous_share,
        lag(n_quarter) over by_channel as previous_n,
        lag(n_channel) over by_channel as previous_channel_n,
        lag(quarter_start) over by_channel as previous_quarter,
    from channel_quarters
    window by_channel as (partition by channel order by quarter_start)
),

-- The channel that moved most speaks for its quarter.
channel_mix as (
    select * from channel_shifts
    where
        previous_quarter = quarter_start - interval 3 months
        and least(n_quarter, previous_n) >= 30
        and abs(channel_share - previous_share) > 0.1
    qualify
        row_number() over (
            partition by quarter_start
            order by round(abs(channel_share - previous_share), 9) desc, channel_share desc, channel
        ) = 1
),

channel_findings as (
    select
        'channel_mix' as check_id,
        channel as subject,
        quarter_start as period_start,
        n_quarter as n_rows,
        n_channel as n_flagged,
        'warn' as status,
        case
            when least(n_channel, n_quarter - n_channel, previous_channel_n, previous_n - previous_channel_n)
                < calendar.minimum_cell
                then format(
                    'The share of answers by {} moved by more than 10 points in the quarter from {}: '
                    || 'part of a change in trust may be the channel.',
                    channel, strftime(quarter_start, '%B %Y')
                )
            else format(
                'Answers by {} went from {:.0f} % to {:.0f} % of all in the quarter from {}: '
                || 'part of a change in trust may be the channel.',
                channel, 100 * previous_share, 100 * channel_share, strftime(quarter_start, '%B %Y')
            )
        end as sentence,
    from channel_mix
    cross join calendar
    union all
    select
        'channel_mix',
        'all',
        null,
        sum(n_responses),
        0,
        'ok',
        'No channel''s share of the answers moved by more than 10 points from one quarter to the next.',
    from responses
    where channel is not null
    having not exists (select 1 from channel_mix) and sum(n_responses) > 0
),

-- 8. Questionnaires with too few answers to be scored.
score_findings as (
    select
        'not_scorable' as check_id,
        scale_id as subject,
        null as period_start,
        n_rows,
        n_flagged,
        case
            when n_flagged = 0 then 'ok'
            when n_flagged > 0.1 * n_rows then 'warn'
            else 'note'
        end as status,
        case
            when n_flagged = 0 then format('Every questionnaire of {} could be scored.', scale_id)
            when n_flagged < calendar.minimum_cell
                then format('A few questionnaires of {} had too few answers to be scored, and count nowhere.', scale_id)
            else format(
                '{:.1f} % of the questionnaires of {} had too few answers to be scored, and count nowhere.',
                100 * n_flagged / n_rows, scale_id
            )
        end as sentence,
    from scores
    cross join calendar
),

-- 9. The mix of those who answer around a roll-out: the three months before it against the three from it on.
rollouts as (
    select
        strategy_id,
        unit_level,
        unit_id,
        try_cast(unit_id as uuid) as provider_id,
        cast(date_trunc('month', min(start_date)) as date) as first_month,
    from core.interventions
    where unit_level in ('clinic', 'provider')
    group by all
),

rollout_months as (
    select strategy_id, min(first_month) as first_month from rollouts group by strategy_id
),

-- A clinic and a provider each on its own, so that the join is by key.
near_rollouts as (
    select
        rollouts.strategy_id,
        answers.visit_id,
        answers.channel,
        answers.experience_date >= rollouts.first_month as is_after,
    from core.responses as answers
    inner join rollouts
        on answers.clinic_id = rollouts.unit_id
        and rollouts.unit_level = 'clinic'
        and answers.experience_date >= rollouts.first_month - interval 3 months
        and answers.experience_date < rollouts.first_month + interval 3 months
    union all
    select
        rollouts.strategy_id,
        answers.visit_id,
        answers.channel,
        answers.experience_date >= rollouts.first_month,
    from core.responses as answers
    inner join rollouts
        on answers.provider_id = rollouts.provider_id
        and rollouts.unit_level = 'provider'
        and answers.experience_date >= rollouts.first_month - interval 3 months
        and answers.experience_date < rollouts.first_month + interval 3 months
),

mix_members as (
    select strategy_id, is_after, 'channel' as kind, channel as part from near_rollouts where channel is not null
    union all
    select near_rollouts.strategy_id, near_rollouts.is_after, 'age', visits.age_band
    from near_rollouts
    inner join core.visits as visits using (visit_id)
    where visits.age_band is not null
),

mix_parts as (
    select
        strategy_id,
        kind,
        part,
        count_if(not is_after) as n_part_before,
        count_if(is_after) as n_part_after,
    from mix_members
    group by all
),

mix_counts as (
    select
        *,
        sum(n_part_before) over of_kind as n_before,
        sum(n_part_after) over of_kind as n_after,
    from mix_parts
    window of_kind as (partition by strategy_id, kind)
),

-- The part that moved most speaks for its kind.
mix_shifts as (
    select
        *,
        n_part_before / n_before as share_before,
        n_part_after / n_after as share_after,
    from mix_counts
    where least(n_before, n_after) >= 30 and abs(n_part_after / n_after - n_part_before / n_before) > 0.1
    qualify
        row_number() over (
            partition by strategy_id, kind
            order by round(abs(n_part_after / n_after - n_part_before / n_before), 9) desc, part
        ) = 1
),

mix_findings as (
    select
        'mix_at_rollout' as check_id,
        mix_shifts.strategy_id || ' by ' || mix_shifts.kind as subject,
        rollout_months.first_month as period_start,
        mix_shifts.n_after as n_rows,
        mix_shifts.n_part_after as n_flagged,
        'warn' as status,
        case
            when least(
                mix_shifts.n_part_before,
                mix_shifts.n_before - mix_shifts.n_part_before,
                mix_shifts.n_part_after,
                mix_shifts.n_after - mix_shifts.n_part_after
            ) < calendar.minimum_cell
                then format(
                    'Where {} was rolled out, the share of answers {} moved by more than 10 points: '
                    || 'part of a change in trust may be that others answer.',
                    replace(mix_shifts.strategy_id, '_', ' '),
                    case mix_shifts.kind when 'age' then 'by people aged ' else 'by ' end || mix_shifts.part
                )
            else format(
                'Where {} was rolled out, answers {} went from {:.0f} % to {:.0f} % of all: '
                || 'part of a change in trust may be that others answer.',
                replace(mix_shifts.strategy_id, '_', ' '),
                case mix_shifts.kind when 'age' then 'by people aged ' else 'by ' end || mix_shifts.part,
                100 * mix_shifts.share_before,
                100 * mix_shifts.share_after
            )
        end as sentence,
    from mix_shifts
    inner join rollout_months using (strategy_id)
    cross join calendar
),

mix_all_clear as (
    select
        'mix_at_rollout' as check_id,
        'all' as subject,
        null as period_start,
        sum(n_before + n_after) as n_rows,
        0 as n_flagged,
        'ok' as status,
        'Around no roll-out did the share of an age band or a channel among the answers move by more than 10 points.'
            as sentence,
    from (select distinct strategy_id, kind, n_before, n_after from mix_counts where least(n_before, n_after) >= 30)
    having count(*) > 0 and not exists (select 1 from mix_shifts)
),

-- 10. Answers that look like test entries, named by their rows; they still count.
suspicious as (
    select * from marts.suspicious_responses
),

suspicious_runs as (
    select
        suspicious.batch_id,
        any_value(named.mapping) as mapping,
        any_value(named.n_read) as n_read,
        count(*) as n_flagged,
        min(suspicious.row_number) as first_row,
        max(suspicious.row_number) as last_row,
        min(suspicious.answered_at) as first_at,
        max(suspicious.answered_at) as last_at,
    from suspicious
    inner join core.batches as named using (batch_id)
    group by suspicious.batch_id
),

suspicious_findings as (
    select
        'suspicious_answers' as check_id,
        mapping as subject,
        cast(date_trunc('month', first_at) as date) as period_start,
        n_read as n_rows,
        n_flagged,
        'warn' as status,
        'Suspicious: rows ' || first_row || ' to ' || last_row || ' of a file of ' || replace(mapping, '_', ' ')
        || ' give the best possible answer to every question, each at another clinic, within minutes on '
        || strftime(first_at, '%d %B %Y') || ': they look like test entries, and they still count.' as sentence,
    from suspicious_runs
),

findings as (
    select * from break_findings
    union all
    select * from break_all_clear
    union all
    select * from share_findings
    union all
    select * from quarantine_findings
    union all
    select * from aside_findings
    union all
    select * from accounting_findings
    union all
    select * from visit_findings
    union all
    select * from channel_findings
    union all
    select * from score_findings
    union all
    select * from mix_findings
    union all
    select * from mix_all_clear
    union all
    select * from suspicious_findings
),

result as (
    select
        check_id,
        subject,
        cast(period_start as date) as period_start,
        cast(n_rows as bigint) as n_rows,
        cast(n_flagged as bigint) as n_flagged,
        n_flagged / nullif(n_rows, 0) as flagged_share,
        status,
        sentence,
    from findings
    order by check_id, subject, period_start, sentence
)

select * from result
