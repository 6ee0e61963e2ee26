-- One row per response that looks like a test entry: one of a run of best possible answers, each at another clinic, within minutes.
with

responses as (
    select response_id, batch_id, clinic_id, answered_at from core.responses
    where clinic_id is not null
),

history as (
    select response_id, batch_id, row_number from core.response_history
    where not is_superseded
),

best_scores as (
    select response_id, bool_and(is_scorable and score = 100) as is_best
    from core.scores
    group by response_id
),

items as (
    select item_id, case when is_reversed then minimum else maximum end as best_value from core.items
),

-- In the order of time, in each file: is this answer the best possible, and how long after the one before?
ordered as (
    select
        responses.batch_id,
        responses.response_id,
        responses.clinic_id,
        responses.answered_at,
        history.row_number,
        coalesce(best_scores.is_best, false) as is_best,
        lag(coalesce(best_scores.is_best, false)) over by_time as is_best_before,
        responses.answered_at - lag(responses.answered_at) over by_time as gap,
    from responses
    inner join history using (response_id, batch_id)
    left join best_scores using (response_id)
    window by_time as (partition by responses.batch_id order by responses.answered_at, history.row_number)
),

runs as (
    select
        *,
        count_if(not (is_best and coalesce(is_best_before, false) and gap <= interval 2 minutes)) over (
            partition by batch_id order by answered_at, row_number
        ) as run_number,
    from ordered
),

long_runs as (
    select batch_id, run_number, count(*) as n_run
    from runs
    where is_best
    group by all
    having count(*) >= 5 and count(*) = count(distinct clinic_id)
),

-- The scores may rest on some of the items: all answers of such files are looked at, and of no others.
whole as (
    select
        answers.batch_id,
        answers.response_id,
        bool_and(answers.answer_value is not distinct from items.best_value) as is_best,
    from core.answers as answers
    semi join long_runs using (batch_id)
    inner join items using (item_id)
    group by all
),

best_shares as (
    select batch_id, count(*) as n_answered, count_if(is_best) as n_best
    from whole
    group by batch_id
),

-- Going by the other answers of the file, chance would bring such a run about in less than one of a hundred files.
unlikely_runs as (
    select long_runs.batch_id, long_runs.run_number, long_runs.n_run
    from long_runs
    inner join best_shares using (batch_id)
    inner join runs using (batch_id, run_number)
    inner join whole using (batch_id, response_id)
    group by all
    having bool_and(whole.is_best) and any_value(n_answered * pow((n_best - n_run) / nullif(n_answered - n_run, 0), n_run)) < 0.01
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
