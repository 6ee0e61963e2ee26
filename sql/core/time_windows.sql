-- One row per time window of the summaries, anchored on the last whole month of the data, never on the clock.
with

calendar as (
    select
        as_of_date,
        first_date,
        case
            when as_of_date = last_day(as_of_date) then date_trunc('month', as_of_date)
            else date_trunc('month', as_of_date) - interval 1 month
        end as last_month,
    from core.calendar
),

windows as (
    select
        'last_quarter' as time_window,
        cast(last_month - interval 2 months as date) as window_start,
        last_day(last_month) as window_end,
    from calendar
    union all
    select
        'previous_quarter',
        cast(last_month - interval 5 months as date),
        last_day(last_month - interval 3 months),
    from calendar
    union all
    select
        'same_quarter_last_year',
        cast(last_month - interval 14 months as date),
        last_day(last_month - interval 12 months),
    from calendar
    union all
    select
        'last_12_months',
        cast(last_month - interval 11 months as date),
        last_day(last_month),
    from calendar
    union all
    select
        'all',
        cast(date_trunc('month', first_date) as date),
        as_of_date,
    from calendar
)

select * from windows
