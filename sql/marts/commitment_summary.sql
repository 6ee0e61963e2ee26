-- One row per unit: how many promises were made, fell due, and were kept on time, with a 95 % interval.
with

commitments as (
    select clinic_id, commitment_status, told_date from core.commitments
),

counts as (
    select
        case when grouping(clinic_id) = 0 then 'clinic' else 'organisation' end as unit_level,
        case when grouping(clinic_id) = 0 then clinic_id else 'all' end as unit_id,
        count(*) as n_commitments,
        count(*) filter (where commitment_status <> 'open') as n_due,
        count(*) filter (where commitment_status = 'kept') as n_kept,
        count(*) filter (where commitment_status = 'late') as n_late,
        count(*) filter (where commitment_status = 'broken') as n_broken,
        count(*) filter (where commitment_status = 'unknown') as n_unknown,
        count(*) filter (where commitment_status = 'open') as n_open,
        count(told_date) as n_told,
    from commitments
    group by grouping sets ((), (clinic_id))
    having unit_id is not null and count(*) > 0
),

-- Wilson's 95 % interval as in strategy_delivery.
result as (
    select
        *,
        n_kept / nullif(n_due, 0) as kept_share,
        (
            n_kept + 1.9207294103470614
            - 1.959963984540054 * sqrt(n_kept * (n_due - n_kept) / nullif(n_due, 0) + 0.9603647051735307)
        ) / (n_due + 3.841458820694123) as low,
        (
            n_kept + 1.9207294103470614
            + 1.959963984540054 * sqrt(n_kept * (n_due - n_kept) / nullif(n_due, 0) + 0.9603647051735307)
        ) / (n_due + 3.841458820694123) as high,
        cast(null as varchar) as suppressed_reason,
    from counts
    order by unit_level, unit_id
)

select * from result
