-- One row per response that names a visit which is not on record.
with

responses as (
    select response_id, visit_id from core.responses where visit_id is not null
),

visits as (
    select visit_id from core.visits
),

offenders as (
    select 'responses' as feed, responses.response_id as row_key
    from responses
    anti join visits using (visit_id)
)

select * from offenders
