-- In which clinics did mean trust change from the quarter before by more than both intervals allow?
with

summary as (
    select trust_summary.*
    from marts.trust_summary as trust_summary
    inner join core.calendar as calendar on trust_summary.scale_id = calendar.primary_scale_id
    where trust_summary.unit_level = 'clinic'
),

compared as (
    select
        now.unit_id as clinic_id,
        now.n_responses,
        earlier.mean_score as earlier_mean_score,
        now.mean_score,
        now.mean_score - earlier.mean_score as change,
        case
            when now.low > earlier.high then 'higher'
            when now.high < earlier.low then 'lower'
            else 'no clear change'
        end as finding,
    from summary as now
    inner join summary as earlier using (unit_id)
    where now.time_window = 'last_quarter' and earlier.time_window = 'previous_quarter'
)

select * from compared
order by abs(change) desc
