-- One row per input file: rows read = rows kept + rows quarantined + rows set aside + rows superseded.
with

batches as (
    select * from raw.batches
),

staged as (
    select batch_id, superseded_reason from staging.visits
    union all by name
    select batch_id, superseded_reason from staging.responses
    union all by name
    select batch_id, superseded_reason from staging.interventions
    union all by name
    select batch_id, superseded_reason from staging.breaches
    union all by name
    select batch_id, superseded_reason from staging.commitments
),

kept as (
    select
        batch_id,
        count_if(superseded_reason is null) as n_kept,
        count_if(superseded_reason in ('corrected', 'withdrawn')) as n_superseded,
        count_if(superseded_reason not in ('corrected', 'withdrawn')) as n_set_aside,
    from staged
    group by all
),

quarantined as (
    select
        batch_id,
        count(distinct row_number) filter (not starts_with(rule, 'row_')) as n_quarantined,
        -- a rule row_... says that the row is none of this feed at all, such as another resource in the same file
        count(distinct row_number) filter (starts_with(rule, 'row_')) as n_set_aside,
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
    coalesce(kept.n_set_aside, 0) + coalesce(quarantined.n_set_aside, 0) as n_set_aside,
    coalesce(kept.n_superseded, 0) as n_superseded,
from batches
left join kept using (batch_id)
left join quarantined using (batch_id)
