-- One row per age band, per channel, and in all, last 12 months: visits, answers about them, and their shares.
with

windows as (
    select * from core.time_windows where time_window = 'last_12_months'
),

cells as (
    select windows.time_window, respondent_cells.*
    from marts.respondent_cells as respondent_cells
    inner join windows on respondent_cells.period_start between windows.window_start and windows.window_end
),

totals as (
    select
        scale_id,
        time_window,
        sum(n_invited) as n_invited,
        sum(n_visits_answered) as n_visits_answered,
    from cells
    group by all
),

ages as (
    select
        scale_id,
        time_window,
        'age_band' as group_kind,
        coalesce(age_band, 'age not recorded') as respondent_group,
        sum(n_invited) as n_invited,
        sum(n_visits_answered) as n_visits_answered,
    from cells
    group by all
),

-- Everyone could answer by any channel: its share is of all visits.
channels as (
    select
        case_mix_cells.scale_id,
        case_mix_cells.time_window,
        'channel' as group_kind,
        coalesce(case_mix_cells.channel, 'channel not recorded') as respondent_group,
        cast(null as bigint) as n_invited,
        sum(case_mix_cells.n_responses) as n_visits_answered,
    from marts.case_mix_cells as case_mix_cells
    where case_mix_cells.lag_group is not null
    group by all
),

groups as (
    select * from ages
    union all
    select * from channels
    union all
    select totals.scale_id, totals.time_window, kinds.group_kind, 'all', totals.n_invited, totals.n_visits_answered
    from totals
    cross join (select unnest(['age_band', 'channel']) as group_kind) as kinds
),

shares as (
    select
        groups.*,
        coalesce(groups.n_invited, totals.n_invited) as n_asked,
        -- Someone may answer twice about one visit: a share never passes 1.
        least(1.0, groups.n_visits_answered / coalesce(groups.n_invited, totals.n_invited)) as response_share,
        groups.n_invited / totals.n_invited as visits_share,
        groups.n_visits_answered / nullif(totals.n_visits_answered, 0) as answers_share,
    from groups
    inner join totals using (scale_id, time_window)
),

-- Wilson's interval of a share.
intervals as (
    select
        *,
        cast(1.959963984540054 as double) as z,
        (response_share + z * z / (2 * n_asked)) / (1 + z * z / n_asked) as middle,
        z * sqrt(response_share * (1 - response_share) / n_asked + z * z / (4 * n_asked * n_asked))
        / (1 + z * z / n_asked) as margin,
    from shares
),

result as (
    select
        scale_id,
        time_window,
        group_kind,
        respondent_group,
        cast(n_invited as bigint) as n_invited,
        cast(n_visits_answered as bigint) as n_visits_answered,
        response_share,
        greatest(0, middle - margin) as low,
        least(1, middle + margin) as high,
        visits_share,
        answers_share,
        cast(null as varchar) as suppressed_reason,
    from intervals
    order by group_kind, respondent_group
)

select * from result
