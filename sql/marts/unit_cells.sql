-- One row per clinic or provider with answers in the last twelve months: their number, mean and spread.
with

calendar as (
    select primary_scale_id from core.calendar
),

result as (
    select
        summary.unit_level,
        summary.unit_id,
        summary.scale_id,
        summary.time_window,
        summary.n_responses,
        summary.n_patients,
        summary.mean_score,
        summary.sd_score,
    from marts.trust_summary as summary
    inner join calendar on summary.scale_id = calendar.primary_scale_id
    where
        summary.unit_level in ('clinic', 'provider')
        and summary.time_window = 'last_12_months'
        and summary.n_responses > 0
    order by summary.unit_level, summary.unit_id
)

select * from result
