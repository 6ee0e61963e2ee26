-- Which patients' visits are answered least: is any age band or clinic hardly heard?
with

answered as (
    select distinct visit_id, true as is_answered from core.responses where visit_id is not null
),

visits as (
    select visits.clinic_id, visits.age_band, coalesce(answered.is_answered, false) as is_answered
    from core.visits as visits
    left join answered using (visit_id)
),

shares as (
    select
        case when grouping(clinic_id) = 0 then 'clinic' else 'age band' end as split_by,
        case when grouping(clinic_id) = 0 then clinic_id else age_band end as part,
        count(*) as n_invited,
        count(*) filter (where is_answered) as n_answered,
        count(*) filter (where is_answered) / count(*) as response_share,
    from visits
    group by grouping sets ((clinic_id), (age_band))
)

select * from shares
order by split_by, response_share
