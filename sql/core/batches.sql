-- One row per input file: rows read = rows kept + rows quarantined + rows superseded.
with

batches as (
    select * from raw.batches
),

staged as (
    select batch_id, is_superseded from staging.visits
    union all by name
    select batch_id, is_superseded from staging.responses
    union all by name
    select batch_id, is_superseded from staging.interventions
    union all by name
    select batch_id, is_superseded from staging.breaches
    union all by name
    select batch_id, is_superseded from staging.commitments
),

kept as (
    select
        batch_id,
        count_if(not is_superseded) as n_kept,
        count_if(is_superseded) as n_superseded,
    from staged
    group by all
),

quarantined as (
    select batch_id, count(distinct row_number) as n_quarantined
    from quarantine.rows
    group by all
)

select
    batches.batch_id,
    batches.batch_number,
    batches.feed,
    batches.mapping,
    batches.encoding,
    batches.n_read,
    coalesce(kept.n_kept, 0) as n_kept,
    coalesce(quarantined.n_quarantined, 0) as n_quarantined,
    coalesce(kept.n_superseded, 0) as n_superseded,
from batches
left join kept using (batch_id)
left join quarantined using (batch_id)
