-- One row per pair of strategies: the patients who answered under either, and under both at once.
-- A patient answers under a strategy when it was in force for the visit, begun for the breach, the provider or the clinic.
with

answers as (
    select responses.response_id, responses.patient_id, exposures.* exclude (response_id)
    from core.exposures as exposures
    inner join core.responses as responses using (response_id)
    where responses.patient_id is not null
),

every_answer as (
    unpivot answers
    on
        is_under_apology as apology,
        is_under_communication as communication,
        is_under_transparency as transparency,
        is_under_expectations as expectations,
        is_under_follow_through as follow_through,
        is_under_empathy as empathy
    into name strategy_id value is_under
),

under as (
    select response_id, patient_id, strategy_id from every_answer
    where is_under
),

one as (
    select strategy_id, count(distinct patient_id) as n_patients,
    from under
    group by all
),

together as (
    select
        under.strategy_id,
        others.strategy_id as other_strategy_id,
        count(distinct under.patient_id) as n_both_patients,
    from under
    inner join under as others on others.response_id = under.response_id and others.strategy_id <> under.strategy_id
    group by all
),

final as (
    select
        strategies.strategy_id,
        others.strategy_id as other_strategy_id,
        coalesce(one.n_patients, 0) as n_patients,
        coalesce(other.n_patients, 0) as n_other_patients,
        coalesce(together.n_both_patients, 0) as n_both_patients,
        together.n_both_patients / one.n_patients as both_share,
        together.n_both_patients / other.n_patients as other_both_share,
        null::varchar as suppressed_reason,
    from core.strategies as strategies
    inner join core.strategies as others on others.display_order > strategies.display_order
    left join one on one.strategy_id = strategies.strategy_id
    left join one as other on other.strategy_id = others.strategy_id
    left join together on together.strategy_id = strategies.strategy_id and together.other_strategy_id = others.strategy_id
)

select * from final
