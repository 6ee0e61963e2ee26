-- One row per response that looks like a test entry: one of a run of best possible answers, each at another clinic, within minutes.
with

current_responses as (
    select response_id, batch_id, clinic_id, answered_at from core.responses
),

responses as (
    select * from current_responses
    where clinic_id is not null
),

history as (
    select response_id, batch_id, batch_number, row_number from core.response_history
    where not is_superseded
),

best_once as (
    select distinct response_id from core.scores where is_scorable and score = 100
),

best_scores as (
    select scores.response_id
    from core.scores as scores
    semi join best_once using (response_id)
    group by scores.response_id
    having bool_and(scores.is_scorable and scores.score = 100)
),

items as (
    select item_id, case when is_reversed then minimum else maximum end as best_value from core.items
),

placed as (
    select
        history.batch_number,
        history.row_number,
        responses.answered_at,
        best_scores.response_id is not null as is_best,
    from responses
    inner join history using (response_id, batch_id)
    left join best_scores using (response_id)
),

-- Only what lies in a stretch of time full of best answers is put in order: sorting a million rows takes longer than
-- all the rest.
best_gaps as (
    select
        batch_number,
        row_number,
        answered_at,
        answered_at - lag(answered_at) over (partition by batch_number order by answered_at, row_number)
            <= interval 2 minutes as is_soon,
    from placed
    where is_best
),

best_stretches as (
    select
        *,
        count_if(not coalesce(is_soon, false)) over (
            partition by batch_number order by answered_at, row_number
        ) as stretch_number,
    from best_gaps
),

stretches as (
    select batch_number, min(answered_at) as first_time, max(answered_at) as last_time
    from best_stretches
    group by batch_number, stretch_number
    having count(*) >= 5
),

-- In the order of time, in each file: is this answer the best possible, and how long after the one before?
ordered as (
    select
        placed.*,
        lag(placed.is_best) over by_time
            and placed.answered_at - lag(placed.answered_at) over by_time <= interval 2 minutes as is_going_on,
    from placed
    inner join stretches
        on placed.batch_number = stretches.batch_number
        and placed.answered_at between stretches.first_time and stretches.last_time
    window by_time as (partition by placed.batch_number order by placed.answered_at, placed.row_number)
),

numbered as (
    select
        batch_number,
        row_number,
        count_if(not coalesce(is_going_on, false)) over (
            partition by batch_number order by answered_at, row_number
        ) as run_number,
    from ordered
    where is_best
),

grown as (
    select * from numbered
    qualify count(*) over (partition by batch_number, run_number) >= 5
),

runs as (
    select
        responses.response_id,
        responses.batch_id,
        responses.clinic_id,
        responses.answered_at,
        grown.row_number,
        grown.run_number,
    from grown
    inner join history using (batch_number, row_number)
    inner join responses using (response_id, batch_id)
),

long_runs as (
    select batch_id, run_number, count(*) as n_run
    from runs
    group by all
    having count(*) >= 5 and count(*) = count(distinct clinic_id)
),

of_files_with_runs as (
    select response_id, batch_id from current_responses semi join long_runs using (batch_id)
),

-- The scores may rest on some of the items: of responses that score best throughout, all answers are looked at.
whole as (
    select of_files_with_runs.batch_id, answers.response_id
    from core.answers as answers
    inner join of_files_with_runs using (response_id)
    inner join best_scores using (response_id)
    inner join items using (item_id)
    group by all
    having bool_and(answers.answer_value is not distinct from items.best_value)
),

best_counts as (
    select batch_id, count(*) as n_best from whole group by all
),

scored_counts as (
    select batch_id, count(*) as n_scored
    from of_files_with_runs
    semi join core.scores using (response_id)
    group by all
),

-- Going by the other answers of the file, chance would bring such a run about in less than one of a hundred files.
unlikely_runs as (
    select long_runs.batch_id, long_runs.run_number, long_runs.n_run
    from long_runs
    inner join best_counts using (batch_id)
    inner join scored_counts using (batch_id)
    inner join runs using (batch_id, run_number)
    left join whole using (batch_id, response_id)
    group by all
    having count(whole.response_id) = count(*)
        and any_value(n_scored * pow((n_best - n_run) / nullif(n_scored - n_run, 0), n_run)) < 0.01
),

suspicious as (
    select
        runs.response_id,
        runs.batch_id,
        runs.row_number,
        runs.clinic_id,
        runs.answered_at,
        unlikely_runs.n_run,
        'one of a run of best possible answers, each at another clinic, within minutes' as reason,
    from unlikely_runs
    inner join runs using (batch_id, run_number)
)

select * from suspicious
