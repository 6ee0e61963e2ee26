-- One row per input file of which some rows read were neither kept, nor quarantined, nor set aside, nor superseded.
-- Stops the run.
with

batches as (
    select feed, batch_id, n_read, n_kept, n_quarantined, n_set_aside, n_superseded from core.batches
),

offenders as (
    select feed, batch_id as row_key
    from batches
    where n_read <> n_kept + n_quarantined + n_set_aside + n_superseded
)

select * from offenders
