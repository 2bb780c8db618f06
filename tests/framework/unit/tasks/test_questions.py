"""Inputs for checking a version, and the faults that its predictions reveal."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from flight_delays.config.policy import load_policy
from flight_delays.problem import PROBLEM
from flight_delays.promotion.answers import Answer, Answers, Question
from flight_delays.promotion.behaviour import check_behaviour
from flight_delays.promotion.model_version import ModelVersion
from flight_delays.tasks import questions

POLICY = load_policy("policy", PROBLEM.model_type).validation
NUMBER = next(iter(PROBLEM.numerical_columns))
TEXT = next(iter(PROBLEM.categorical_columns))
VERSION = ModelVersion(model="main.flights.model", version=4, aliases=frozenset(), tags={})
ROWS = 4000


def make_rows() -> pd.DataFrame:
    """Return held-out rows with 1 % of a column missing, none at evenly spaced positions."""
    random = np.random.default_rng(7)
    rows = pd.DataFrame(random.random((ROWS, len(PROBLEM.feature_columns))))
    rows.columns = pd.Index(PROBLEM.feature_columns)
    rows[list(PROBLEM.categorical_columns)] = "usual"
    gaps = random.choice(ROWS, ROWS // 100, replace=False)
    rows.loc[np.setdiff1d(gaps, questions.spread(ROWS, questions.FEW)), NUMBER] = np.nan
    rows.loc[2001, TEXT] = "rare"
    return rows


HELD_OUT = make_rows()


def predict(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return a probability that depends on a single column, also if it is missing."""
    given: npt.NDArray[np.float64] = rows[NUMBER].fillna(0.5).to_numpy(float)
    return given


def find_flaws(monkeypatch: pytest.MonkeyPatch, model: Callable[[pd.DataFrame], Any]) -> list[str]:
    """Return the names of the failed checks of a model."""

    def ask(_: str, asked: Sequence[Question], **__: object) -> Answers:
        given = {}
        for question in asked:
            rows, take = question.rows, question.take
            if question.reload:
                getattr(model, "load", lambda: None)()
            parts = [rows] if take is None else [rows.iloc[list(some)] for some in take]
            try:
                with ThreadPoolExecutor(8 if question.at_once else 1) as pool:
                    values = np.concatenate(list(pool.map(model, [each.copy() for each in parts])))
                given[question.name] = Answer(values=values)
            except ValueError as error:
                given[question.name] = Answer(error=str(error))
        return Answers(environment="this process", given=given)

    monkeypatch.setattr(questions, "ask_version", ask)
    answers = questions.ask_about(VERSION, HELD_OUT, HELD_OUT, POLICY)
    checks = check_behaviour(answers, PROBLEM.model_type, seconds_per_row=1, allow_untried=False)
    return [check.name for check in checks if not check.ok]


def test_a_model_that_answers_each_row_by_itself_has_no_flaw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert find_flaws(monkeypatch, predict) == []


@pytest.mark.parametrize(
    "fill",
    [lambda column: column.ffill().bfill(), lambda column: column.fillna(column.mean())],
    ids=["neighbour", "mean"],
)
def test_a_model_that_fills_rare_gaps_from_other_rows_is_noticed(
    monkeypatch: pytest.MonkeyPatch, fill: Callable[[pd.Series], pd.Series]
) -> None:
    def model(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        return predict(rows.assign(**{NUMBER: fill(rows[NUMBER])}))

    flaws = find_flaws(monkeypatch, model)
    assert {"same_alone", "same_in_batch", "same_shuffled"} <= set(flaws)


def test_a_fault_in_a_few_rows_that_are_not_asked_singly_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = set(HELD_OUT.iloc[questions.choose_few(HELD_OUT)][NUMBER].dropna())
    hidden = HELD_OUT[NUMBER][~HELD_OUT[NUMBER].isin(few)].iloc[17]

    def model(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        answers = predict(rows)
        return np.where(rows[NUMBER] == hidden, answers.mean(), answers)

    assert find_flaws(monkeypatch, model) == ["same_shuffled"]


def test_a_fallback_of_the_whole_batch_for_one_unseen_category_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def model(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        unseen = (rows[TEXT] == questions.NEVER_SEEN).any()
        return np.full(len(rows), 0.5) if unseen else predict(rows)

    assert find_flaws(monkeypatch, model) == ["same_mixed"]


def test_mixed_rows_keep_their_types() -> None:
    rows = HELD_OUT.head(3).assign(**{questions.LOOKED_UP[0]: [1, 2, 3]})
    mixed = questions.mix(rows)
    assert len(mixed) == 9
    assert mixed.dtypes.equals(rows.dtypes)
    assert mixed.head(3).equals(rows)


def test_few_rows_have_a_gap_and_a_rare_category_where_there_are_any() -> None:
    few = HELD_OUT.iloc[questions.choose_few(HELD_OUT)]
    assert questions.FEW < len(few) <= 2 * questions.FEW
    assert few[NUMBER].isna().any()
    assert "rare" in set(few[TEXT])
    assert questions.choose_few(HELD_OUT.head(3)) == [0, 1, 2]
    assert questions.choose_few(HELD_OUT.head(0)) == []


def test_a_model_that_fails_without_one_feature_table_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = PROBLEM.feature_tables[-1]
    others = [name for name in questions.LOOKED_UP if name not in table.features]

    def answer(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        only = rows[list(table.features)].isna().all(axis=1) & rows[others].notna().any(axis=1)
        return np.where(only, np.nan, predict(rows))

    def fail(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        if np.isnan(answer(rows)).any():
            raise ValueError("no such row")
        return predict(rows)

    assert find_flaws(monkeypatch, answer) == [f"impossible_missing-{table.name}"]
    assert find_flaws(monkeypatch, fail) == ["answer_form"]


@pytest.mark.skipif(len(PROBLEM.categorical_columns) < 2, reason="one column is all of them")
@pytest.mark.parametrize("column", PROBLEM.categorical_columns)
def test_a_model_that_fails_for_an_unseen_category_of_one_column_is_noticed(
    monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    others = [name for name in PROBLEM.categorical_columns if name != column]

    def answer(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        known = (rows[others] != questions.NEVER_SEEN).all(axis=1)
        return np.where(known & (rows[column] == questions.NEVER_SEEN), np.nan, predict(rows))

    assert find_flaws(monkeypatch, answer) == [f"impossible_unseen-{column}"]


class FirstSeen:
    """A model that moves its answers by what it keeps of the first rows that it has ever seen."""

    def __init__(self, keep: Callable[[npt.NDArray[np.float64]], float]) -> None:
        self.keep = keep
        self.first: float | None = None

    def load(self) -> None:
        """Forget, as a model does that is loaded again."""
        self.first = None

    def __call__(self, rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Predict."""
        answers = predict(rows)
        if self.first is None:
            self.first = self.keep(answers)
        moved: npt.NDArray[np.float64] = 0.9 * answers + 0.1 * self.first
        return moved


@pytest.mark.parametrize("keep", [np.mean, lambda answers: answers[0]], ids=["mean", "first row"])
def test_a_model_that_keeps_something_of_its_first_rows_is_noticed(
    monkeypatch: pytest.MonkeyPatch, keep: Callable[[npt.NDArray[np.float64]], float]
) -> None:
    assert find_flaws(monkeypatch, FirstSeen(keep)) == ["same_again"]


def test_a_model_that_keeps_the_rows_of_a_call_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Keeping:
        rows = HELD_OUT

        def __call__(self, rows: pd.DataFrame) -> npt.NDArray[np.float64]:
            self.rows = rows
            time.sleep(0.001)
            return predict(self.rows)

    assert find_flaws(monkeypatch, Keeping()) == ["same_at_once"]


def test_the_first_and_the_last_question_have_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Question] = []

    def ask(_: str, given: Sequence[Question], **__: object) -> Answers:
        asked.extend(given)
        return Answers(environment="none")

    monkeypatch.setattr(questions, "ask_version", ask)
    questions.ask_about(VERSION, HELD_OUT, HELD_OUT, POLICY)
    assert [question for question in asked if question.timed] == [asked[0], asked[-1]]
    assert len(asked) > 2
