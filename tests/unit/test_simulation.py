"""The made-up hospital: is it the hospital it says it is, and is its truth true?

Not here: whether the estimators find that truth (tests/bench/coverage.py).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from trust import simulation
from trust.simulation import TRUE_LATENT_EFFECTS, Hospital, Settings, dirty, simulate

FEEDS = {
    "visits": "visit_id,patient_id,provider_id,clinic_id,visit_date,age_band,expectations_agreed",
    "responses": (
        "response_id,visit_id,answered_at,channel,wfpts5_1,wfpts5_2,wfpts5_3,wfpts5_4,wfpts5_5,fft_2020,"
        "noticed_apology,noticed_communication,noticed_transparency,noticed_expectations,noticed_follow_through,"
        "noticed_empathy,comment"
    ),
    "interventions": ("intervention_id,strategy,level,patient_id,provider_id,clinic_id,breach_id,start_date,end_date"),
    "breaches": "breach_id,patient_id,provider_id,clinic_id,breach_date,kind,severity",
    "commitments": ("commitment_id,patient_id,clinic_id,breach_id,made_date,due_date,kept_date,outcome,told_date"),
}
ITEMS = [f"wfpts5_{number}" for number in range(1, 6)]
LEVELS = {
    "apology": "patient",
    "communication": "patient",
    "transparency": "patient",
    "expectations": "provider",
    "follow_through": "clinic",
    "empathy": "provider",
}
SMALL = Settings(seed=3, n_clinics=8, n_providers=48, n_patients=1_500)


@pytest.fixture(scope="module")
def hospital() -> Hospital:
    return simulate(Settings())


@pytest.fixture(scope="module")
def scores(hospital: Hospital) -> pd.DataFrame:
    return _scores(hospital)


@pytest.fixture(scope="module")
def everyone_answers(hospital: Hospital) -> Hospital:
    """The default hospital had every survey been answered in full: the same people, visits and trust."""
    return _with_every_answer(Settings(), n_visits=len(hospital.visits))


@pytest.fixture(scope="module")
def all_scores(everyone_answers: Hospital) -> pd.DataFrame:
    return _scores(everyone_answers)


@pytest.fixture(scope="module")
def small() -> Hospital:
    return simulate(SMALL)


@pytest.fixture(scope="module")
def small_everyone_answers(small: Hospital) -> Hospital:
    return _with_every_answer(SMALL, n_visits=len(small.visits))


def _with_every_answer(settings: Settings, n_visits: int) -> Hospital:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "BLANK_SHARE", 0.0)
        return simulate(replace(settings, n_responses=n_visits))


def _scores(hospital: Hospital) -> pd.DataFrame:
    """Complete answers with their visit: `score`, 0-100, `date` and `month` of the visit."""
    answers = hospital.responses.dropna(subset=ITEMS).merge(hospital.visits, on="visit_id", validate="one_to_one")
    oriented = answers[ITEMS].astype(int)
    oriented["wfpts5_1"] = 6 - oriented["wfpts5_1"]
    day = pd.to_datetime(answers["visit_date"])
    return answers.assign(score=(oriented.sum(axis=1) - 5) * 5, date=day, month=day.dt.year * 12 + day.dt.month)


def _starts(hospital: Hospital, strategy: str) -> pd.Series:
    """The first day of the strategy by unit of its level."""
    rows = hospital.interventions.query("strategy == @strategy")
    return pd.to_datetime(rows.groupby(f"{LEVELS[strategy]}_id")["start_date"].min())


def _breached(hospital: Hospital, scores: pd.DataFrame) -> pd.DataFrame:
    """The scores of patients with a breach, with `days` since it."""
    breach_day = pd.to_datetime(hospital.breaches.set_index("patient_id")["breach_date"])
    days = (scores["date"] - scores["patient_id"].map(breach_day)).dt.days
    return scores.assign(days=days).dropna(subset="days")


class TestFrames:
    def test_columns_are_those_of_the_feeds(self, hospital: Hospital) -> None:
        assert {feed: ",".join(getattr(hospital, feed).columns) for feed in FEEDS} == FEEDS
        assert list(hospital.truth.columns) == ["strategy", "true_effect", "n_treated", "n_visits"]
        assert list(hospital.truth["strategy"]) == list(LEVELS)
        assert hospital.planted.empty

    def test_same_seed_same_frames_and_another_seed_another_hospital(self, small: Hospital) -> None:
        first, again, other = small, simulate(SMALL), simulate(replace(SMALL, seed=4))
        for feed in (*FEEDS, "truth"):
            pd.testing.assert_frame_equal(getattr(first, feed), getattr(again, feed))
        assert not first.visits.equals(other.visits)

    def test_ids_are_unique_and_every_reference_is_kept(self, hospital: Hospital) -> None:
        for feed, columns in FEEDS.items():
            assert getattr(hospital, feed)[columns.split(",")[0]].is_unique
        visits = hospital.visits
        assert set(hospital.responses["visit_id"]) <= set(visits["visit_id"])
        assert hospital.responses["visit_id"].is_unique
        assert visits["patient_id"].str.fullmatch(r"P\d{6}").all()
        assert visits["visit_id"].str.fullmatch(r"V\d{7}").all()
        breaches = hospital.breaches.set_index("breach_id")
        for feed in ("interventions", "commitments"):
            rows = getattr(hospital, feed)
            for column in {"patient_id", "provider_id", "clinic_id"} & set(rows.columns):
                assert set(rows[column]) <= {"", *visits[column]}
            of_breach = rows[rows["breach_id"] != ""]
            assert list(breaches.loc[of_breach["breach_id"], "patient_id"]) == list(of_breach["patient_id"])

    def test_a_breach_is_at_a_visit_and_a_patient_has_at_most_one(self, hospital: Hospital) -> None:
        key = ["patient_id", "provider_id", "clinic_id", "date"]
        visits = hospital.visits.rename(columns={"visit_date": "date"})[key].drop_duplicates()
        breaches = hospital.breaches.rename(columns={"breach_date": "date"})
        assert len(breaches.merge(visits, on=key)) == len(breaches)
        assert breaches["patient_id"].is_unique

    def test_dates_are_in_order_and_inside_the_study(self, hospital: Hospital) -> None:
        visit_day = pd.to_datetime(hospital.visits.set_index("visit_id")["visit_date"], format="%Y-%m-%d")
        answered = pd.to_datetime(hospital.responses["answered_at"], format="%Y-%m-%d %H:%M:%S").dt.normalize()
        lag = (answered - hospital.responses["visit_id"].map(visit_day)).dt.days
        assert lag.between(0, 21).all()
        assert hospital.responses["answered_at"].max() < "2026"
        assert hospital.visits["visit_date"].between("2023-01-01", "2025-12-31").all()
        repairs = hospital.interventions.query("breach_id != ''").merge(
            hospital.breaches[["breach_id", "breach_date"]], on="breach_id"
        )
        assert (repairs["start_date"] >= repairs["breach_date"]).all()
        ended = hospital.interventions.query("end_date != ''")
        assert 0 < len(ended) < 0.1 * len(hospital.interventions)
        assert (ended["end_date"] >= ended["start_date"]).all()
        promises = hospital.commitments
        assert (promises["made_date"] < promises["due_date"]).all()
        for column in ("kept_date", "told_date"):
            known = promises[promises[column] != ""]
            assert (known["made_date"] < known[column]).all()
            assert known[column].max() <= "2025-12-31"
        assert (promises.query("outcome == 'kept'")["kept_date"] != "").all()
        assert (promises.query("outcome == 'broken'")["kept_date"] == "").all()

    def test_answers_are_the_options_of_the_instruments_and_few_are_blank(self, hospital: Hospital) -> None:
        responses = hospital.responses
        for item in ITEMS:
            assert set(responses[item].dropna()) == {1, 2, 3, 4, 5}
        assert set(responses["fft_2020"].dropna()) == {1, 2, 3, 4, 5, 6}
        for strategy in LEVELS:
            assert set(responses[f"noticed_{strategy}"]) == {"", "yes", "partly", "no", "does_not_apply"}
        assert responses[ITEMS].isna().to_numpy().mean() == pytest.approx(0.02, abs=0.005)

    def test_comments_carry_a_marker_each_and_nothing_else_does(self, hospital: Hospital) -> None:
        written = hospital.responses.loc[hospital.responses["comment"] != "", "comment"]
        assert len(written) / len(hospital.responses) == pytest.approx(0.10, abs=0.01)
        markers = written.str.extract(r"\((made-up comment \d{6})\)$")[0]
        assert markers.notna().all()
        assert markers.is_unique


class TestMoments:
    def test_default_size(self, hospital: Hospital) -> None:
        assert 100_000 < len(hospital.visits) < 140_000
        assert 40_000 < len(hospital.responses) < 48_000
        assert 2_500 <= len(hospital.breaches) <= 3_500

    def test_scores_have_the_spread_reliability_and_ceiling_of_real_ones(
        self, hospital: Hospital, scores: pd.DataFrame
    ) -> None:
        oriented = scores[ITEMS].astype(float)
        oriented["wfpts5_1"] = 6 - oriented["wfpts5_1"]
        alpha = 5 / 4 * (1 - oriented.var().sum() / oriented.sum(axis=1).var())
        assert 72 < scores["score"].mean() < 78
        assert 16 < scores["score"].std() < 20
        assert scores["score"].skew() < -0.3
        assert 0.80 < alpha < 0.90
        assert 0.05 < (scores["score"] == 100).mean() < 0.12

    def test_item_1_is_negative_as_answered(self, hospital: Hospital) -> None:
        correlations = hospital.responses[ITEMS].astype(float).corr()
        assert (correlations.loc["wfpts5_1", ITEMS[1:]] < -0.3).all()
        assert (correlations.loc[ITEMS[1:], ITEMS[1:]] > 0.3).to_numpy().all()

    def test_phone_answers_are_more_positive_and_the_mix_is_constant_by_default(
        self, hospital: Hospital, scores: pd.DataFrame
    ) -> None:
        by_channel = scores.groupby("channel")["score"].mean()
        assert by_channel["phone"] - by_channel["sms"] > 3
        mix = pd.crosstab(scores["date"].dt.year, scores["channel"], normalize="index")
        assert (mix.max() - mix.min()).max() < 0.02

    def test_a_change_of_channels_can_be_asked_for(self) -> None:
        scores = _scores(simulate(replace(SMALL, channel_change_date=date(2024, 7, 1))))
        share_by_phone = (scores["channel"] == "phone").groupby(scores["date"] >= "2024-07-01").mean()
        assert share_by_phone[True] < 0.65 * share_by_phone[False]


class TestPeople:
    def test_breaches_happen_more_to_those_already_low(
        self, everyone_answers: Hospital, all_scores: pd.DataFrame
    ) -> None:
        before = _breached(everyone_answers, all_scores).query("days < 0")
        never = all_scores[~all_scores["patient_id"].isin(everyone_answers.breaches["patient_id"])]
        assert never["score"].mean() - before["score"].mean() > 5
        # And they are lower shortly before the breach than they were long before: their state was low too.
        assert before.query("days < -180")["score"].mean() - before.query("days > -31")["score"].mean() > 1

    def test_a_breach_takes_more_the_more_serious_it_is(
        self, everyone_answers: Hospital, all_scores: pd.DataFrame
    ) -> None:
        scores = _breached(everyone_answers, all_scores)
        severity = scores["patient_id"].map(everyone_answers.breaches.set_index("patient_id")["severity"])
        mean = scores["score"].groupby([severity, scores["days"] >= 0]).mean().unstack()
        lost = mean[False] - mean[True].loc[mean.index]
        assert lost["minor"] + 2 < lost["moderate"] < lost["serious"] - 2

    def test_trust_comes_back_by_itself(self, small: Hospital) -> None:
        untreated = _with_every_answer(replace(SMALL, effects={}), n_visits=len(small.visits))
        scores = _breached(untreated, _scores(untreated))
        at_breach = scores.query("days == 0")["score"].mean()
        later = scores.query("180 < days <= 360")["score"].mean()
        before = scores.query("days < 0")["score"].mean()
        assert at_breach + 6 < later < before

    def test_before_and_after_shows_repair_where_there_was_none(self, hospital: Hospital, scores: pd.DataFrame) -> None:
        scores = _breached(hospital, scores)
        start = scores["patient_id"].map(_starts(hospital, "communication"))
        since_breach = scores[(scores["days"] >= 0) & start.notna()]
        is_after = since_breach["date"] >= start[since_breach.index]
        mean = since_breach["score"].groupby(is_after).mean()
        assert TRUE_LATENT_EFFECTS["communication"] == 0
        assert mean[True] - mean[False] > 4

    def test_low_trust_answers_less(self, hospital: Hospital, all_scores: pd.DataFrame) -> None:
        is_answered = all_scores["visit_id"].isin(set(hospital.responses["visit_id"]))
        share = is_answered.groupby(pd.cut(all_scores["score"], [-1, 40, 60, 80, 100])).mean()
        assert share.is_monotonic_increasing
        assert share.iloc[0] < 0.30
        assert share.iloc[-1] > 0.34

    def test_follow_up_visits_come_after_a_breach(self, hospital: Hospital) -> None:
        breach_day = pd.to_datetime(hospital.breaches.set_index("patient_id")["breach_date"])
        days = (pd.to_datetime(hospital.visits["visit_date"]) - hospital.visits["patient_id"].map(breach_day)).dt.days
        assert days.between(1, 60).sum() > 1.8 * days.between(-60, -1).sum()

    def test_most_visits_are_to_one_provider_of_the_patient(self, hospital: Hospital) -> None:
        visits = hospital.visits.groupby(["patient_id", "provider_id"]).size()
        assert visits.groupby("patient_id").max().sum() / visits.sum() == pytest.approx(0.83, abs=0.03)
        assert (hospital.visits.groupby("provider_id")["clinic_id"].nunique() == 1).mean() > 0.9


class TestStrategies:
    @pytest.mark.parametrize("strategy", LEVELS)
    def test_some_units_never_get_it(self, hospital: Hospital, strategy: str) -> None:
        units = (
            hospital.breaches["patient_id"]
            if LEVELS[strategy] == "patient"
            else hospital.visits[f"{LEVELS[strategy]}_id"]
        )
        treated = set(_starts(hospital, strategy).index)
        assert treated <= set(units)
        assert 0.30 <= 1 - len(treated) / units.nunique() <= 0.48

    @pytest.mark.parametrize("strategy", ["expectations", "follow_through", "empathy"])
    def test_roll_outs_leave_months_before_and_a_year_after(self, hospital: Hospital, strategy: str) -> None:
        months = _starts(hospital, strategy).dt.strftime("%Y-%m")
        assert months.min() >= "2023-11"
        assert months.max() <= "2024-12"
        assert 5 <= months.nunique() <= 6

    def test_providers_with_lower_trust_come_earlier(self, hospital: Hospital, scores: pd.DataFrame) -> None:
        mean = scores.query("visit_date < '2023-11'").groupby("provider_id")["score"].mean()
        start = mean.index.map(_starts(hospital, "expectations"))
        assert mean[start < "2024-06"].mean() + 1 < mean[start.isna()].mean()

    def test_expectations_are_agreed_far_more_often_by_trained_providers(self, hospital: Hospital) -> None:
        visits = hospital.visits
        is_trained = pd.to_datetime(visits["visit_date"]) >= visits["provider_id"].map(
            _starts(hospital, "expectations")
        )
        share = (visits["expectations_agreed"] == "yes").groupby(is_trained).mean()
        assert share[True] > 0.7
        assert share[False] < 0.25

    def test_commitments_are_kept_more_often_under_a_tracker(self, hospital: Hospital) -> None:
        promises = hospital.commitments[hospital.commitments["due_date"] < "2025-10-01"]
        start = promises["clinic_id"].map(_starts(hospital, "follow_through"))
        is_tracked = pd.to_datetime(promises["made_date"]) >= start
        is_on_time = (promises["kept_date"] != "") & (promises["kept_date"] <= promises["due_date"])
        on_time = is_on_time.groupby(is_tracked).mean()
        assert on_time[False] == pytest.approx(0.56, abs=0.05)
        assert on_time[True] == pytest.approx(0.78, abs=0.05)
        # Clinics that keep fewer promises are earlier, and those never in the window keep more of them.
        untracked = is_on_time[~is_tracked].groupby(start[~is_tracked].isna()).mean()
        assert untracked[False] < untracked[True]
        has_no_evidence = (promises["kept_date"] == "") & (promises["outcome"] == "")
        assert 0.05 < has_no_evidence.mean() < 0.2
        assert (promises["outcome"] == "broken").any()
        assert (promises["kept_date"] > promises["due_date"]).any()
        assert 0.3 < (promises["told_date"] != "").mean() < 0.7

    def test_communication_is_logged_by_contact(self, hospital: Hospital) -> None:
        contacts = hospital.interventions.query("strategy == 'communication' and start_date < '2025-06'")
        n_contacts = contacts.groupby("breach_id").size()
        assert (n_contacts[n_contacts > 1] <= 6).all()
        day = pd.to_datetime(contacts["start_date"])
        gaps = day.groupby(contacts["breach_id"]).diff().dropna().dt.days
        assert gaps.between(7, 35).all()

    def test_repairs_depend_on_severity_and_overlap(self, hospital: Hospital) -> None:
        breaches = hospital.breaches[hospital.breaches["breach_date"] < "2025-06"]
        repaired = pd.DataFrame(
            {name: breaches["patient_id"].isin(_starts(hospital, name).index) for name in list(LEVELS)[:3]}
        )
        by_severity = repaired.groupby(breaches["severity"]).mean()
        assert (by_severity.loc["serious"] > by_severity.loc["minor"] + 0.15).all()
        within = repaired - repaired.groupby(breaches["severity"]).transform("mean")
        correlation = within.corr().to_numpy()[np.triu_indices(3, 1)]
        assert np.abs(correlation).max() < 0.08
        assert repaired.all(axis=1).mean() > 0.15
        assert (~repaired).all(axis=1).mean() > 0.03

    @pytest.mark.parametrize("strategy", LEVELS)
    def test_what_was_done_is_noticed(self, hospital: Hospital, scores: pd.DataFrame, strategy: str) -> None:
        is_delivered = scores["date"] >= scores[f"{LEVELS[strategy]}_id"].map(_starts(hospital, strategy))
        noticed = scores[f"noticed_{strategy}"].isin(["yes", "partly"]).groupby(is_delivered).mean()
        assert 0.58 < noticed[True] < 0.70
        # Some untrained providers agree expectations too, and their patients notice.
        assert noticed[False] < (0.30 if strategy == "expectations" else 0.16)


class TestTruth:
    def test_no_effect_is_exactly_zero(self, hospital: Hospital) -> None:
        truth = hospital.truth.set_index("strategy")["true_effect"]
        assert truth["communication"] == 0
        assert truth["empathy"] == 0

    def test_an_effect_is_a_little_below_what_was_put_in(self, hospital: Hospital) -> None:
        truth = hospital.truth.set_index("strategy")["true_effect"]
        for strategy, latent in TRUE_LATENT_EFFECTS.items():
            assert 0.78 * latent <= truth[strategy] <= latent

    @pytest.mark.parametrize("strategy", ["apology", "expectations", "follow_through"])
    def test_it_is_the_difference_between_two_runs(self, small_everyone_answers: Hospital, strategy: str) -> None:
        """By brute force from the files alone: every survey answered, once with the strategy's effect, once without."""
        with_it = small_everyone_answers
        other_effects = {**TRUE_LATENT_EFFECTS, strategy: 0.0}
        without = _with_every_answer(replace(SMALL, effects=other_effects), n_visits=len(with_it.visits))
        pd.testing.assert_frame_equal(with_it.visits, without.visits)
        scores = _scores(with_it).merge(
            _scores(without)[["visit_id", "score"]], on="visit_id", suffixes=("", "_without")
        )
        assert len(scores) == len(with_it.visits)
        start = scores[f"{LEVELS[strategy]}_id"].map(_starts(with_it, strategy))
        months_in = scores["month"] - (start.dt.year * 12 + start.dt.month)
        is_counted = months_in.between(0, 11)
        if LEVELS[strategy] == "patient":
            is_counted &= scores["date"] >= start
        expected = (scores["score"] - scores["score_without"])[is_counted].mean()
        truth = with_it.truth.set_index("strategy").loc[strategy]
        assert truth["n_visits"] == is_counted.sum()
        assert truth["n_treated"] == len(_starts(with_it, strategy))
        assert truth["true_effect"] == pytest.approx(expected, rel=1e-12)

    def test_a_strategy_nobody_got_in_time_has_no_truth(self) -> None:
        truth = simulate(replace(SMALL, breach_hazard=0.0)).truth.set_index("strategy")
        assert np.isnan(truth.loc["apology", "true_effect"])
        assert truth.loc["apology", "n_treated"] == truth.loc["apology", "n_visits"] == 0


class TestSettings:
    @pytest.mark.parametrize("n_responses", [1, 1_000, 20_000])
    def test_for_responses_gives_exactly_so_many(self, n_responses: int) -> None:
        made = simulate(Settings.for_responses(n_responses))
        assert len(made.responses) == n_responses
        assert made.responses["visit_id"].is_unique

    def test_about_two_visits_an_answer(self) -> None:
        assert 1.8 < len(simulate(Settings.for_responses(20_000)).visits) / 20_000 < 2.5

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"effects": {"hypnosis": 1.0}}, "no such strategy"),
            ({"n_clinics": 1}, "n_clinics"),
            ({"n_providers": 5}, "n_providers"),
            ({"n_patients": 0}, "n_patients"),
            ({"response_share": 0.0}, "response_share"),
            ({"breach_hazard": 1.5}, "breach_hazard"),
            ({"last_day": date(2024, 12, 31)}, "25 calendar months"),
        ],
    )
    def test_settings_that_make_no_hospital_are_refused(self, changes: dict[str, object], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            replace(SMALL, **changes)

    def test_more_answers_than_visits_are_refused(self) -> None:
        with pytest.raises(ValueError, match="number of visits"):
            simulate(replace(SMALL, n_responses=10**6))


class TestDirty:
    def test_good_rows_stay_and_broken_ones_are_counted(self, small: Hospital) -> None:
        broken = dirty(small, seed=1)
        for feed in FEEDS:
            rows = getattr(broken, feed)
            n_planted = broken.planted.loc[broken.planted["feed"] == feed, "n_rows"].sum()
            assert len(rows) == len(getattr(small, feed)) + n_planted
            pd.testing.assert_frame_equal(rows.iloc[:-n_planted], getattr(small, feed))
        pd.testing.assert_frame_equal(broken.truth, small.truth)
        assert broken.planted["n_rows"].between(1, 3).all()

    def test_each_rule_is_broken_as_often_as_it_says(self, small: Hospital) -> None:
        broken = dirty(small, seed=1)
        n_rows = broken.planted.set_index(["feed", "rule"])["n_rows"]
        for feed, columns in FEEDS.items():
            assert getattr(broken, feed)[columns.split(",")[0]].duplicated().sum() == n_rows[feed, "duplicated_id"]
        assert (broken.visits["visit_date"] == "2024-02-30").sum() == n_rows["visits", "impossible_date"]
        assert (broken.visits["patient_id"] == "").sum() == n_rows["visits", "missing_id"]
        assert (broken.responses["wfpts5_3"] > 5).sum() == n_rows["responses", "out_of_range_answer"]
        unknown = ~broken.interventions["strategy"].isin(list(LEVELS))
        assert unknown.sum() == n_rows["interventions", "unknown_strategy"]
        assert (broken.breaches["breach_date"] > "2026").sum() == n_rows["breaches", "future_date"]
        assert (broken.commitments["due_date"] < "2023").sum() == n_rows["commitments", "dates_out_of_order"]

    def test_same_seed_same_dirt(self, small: Hospital) -> None:
        pd.testing.assert_frame_equal(dirty(small, 5).responses, dirty(small, 5).responses)


def _small(**settings: object) -> Hospital:
    return simulate(replace(SMALL, n_patients=3_000, **settings))  # type: ignore[arg-type]


class TestDifficulties:
    """Each setting that makes a hospital difficult does what it says, and nothing by default."""

    def test_worst_first_chooses_and_hurries_those_whose_answers_were_lowest(self) -> None:
        hospital = _small(worst_first=1.5)
        scores = _breached(hospital, _scores(hospital))
        before = scores[scores["days"].between(-365, -1)].groupby("patient_id")["score"].mean()
        start = _starts(hospital, "apology")
        is_repaired = before.index.isin(start.index)
        assert before[~is_repaired].mean() - before[is_repaired].mean() > 8
        breach = pd.to_datetime(hospital.breaches.set_index("patient_id")["breach_date"])
        wait = (start - breach).dropna().dt.days
        low, high = before[before < before.median()].index, before[before >= before.median()].index
        assert wait[wait.index.isin(low)].mean() < wait[wait.index.isin(high)].mean() - 3

    def test_overlap_copies_the_decision(self) -> None:
        hospital = _small(overlap=0.95)
        for second, first in simulation.COPIES.items():
            one, other = set(_starts(hospital, first).items()), set(_starts(hospital, second).items())
            assert len(one & other) / len(one) > 0.92
            assert 0.5 < len(set(_starts(hospital, first).index)) / len(set(_starts(hospital, second).index)) < 2

    def test_an_effect_may_begin_late_and_fade(self) -> None:
        lasting, late, fading = (
            _small(**settings).truth.set_index("strategy")["true_effect"]
            for settings in ({}, {"delay_days": 120}, {"fade_half_life_days": 90.0})
        )
        for strategy in ("apology", "expectations"):
            assert 0.4 < late[strategy] / lasting[strategy] < 0.9
            assert 0.2 < fading[strategy] / lasting[strategy] < 0.6
        assert (late[["communication", "empathy"]] == 0).all()

    def test_those_who_will_begin_improve_anyway(self) -> None:
        hospital = _small(pre_trend_per_month=2.0, effects={})
        scores, start = _scores(hospital), _starts(hospital, "empathy")
        months = (scores["date"] - scores["provider_id"].map(start)).dt.days / 30.4375
        early, late = scores[months.between(-12, -9)]["score"].mean(), scores[months.between(-3, 0)]["score"].mean()
        assert late - early > 6

    def test_patients_may_fare_apart_and_be_chosen_for_it(self) -> None:
        hospital = _small(resilience_sd=10.0, chosen_by_resilience=2.0, effects={})
        scores = _breached(hospital, _scores(hospital))
        later = scores[scores["days"] > 200]
        is_repaired = later["patient_id"].isin(_starts(hospital, "apology").index)
        assert later[is_repaired]["score"].mean() - later[~is_repaired]["score"].mean() > 5

    @pytest.mark.parametrize(
        "settings", [{"overlap": 1.5}, {"recovered_share": -0.1}, {"hazard_scale": 0.0}, {"fade_half_life_days": 0.0}]
    )
    def test_impossible_difficulties_are_refused(self, settings: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="must be"):
            replace(SMALL, **settings)
