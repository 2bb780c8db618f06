"""Checks of a version that do not depend on its metrics."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, regression
from flight_delays.promotion.answers import Answer, Answers
from flight_delays.promotion.behaviour import QUESTIONS, check_behaviour
from flight_delays.promotion.checks import Check, check_skill

FEW = np.linspace(0.1, 0.7, 30)
SOUND = Answer(values=FEW, form="ndarray of float64, shape (30,)", seconds=0.01)
ANSWERS = Answers(environment="what is installed", given=dict.fromkeys(QUESTIONS, SOUND))


def check(answers: Answers, **changes: Any) -> dict[str, Check]:
    limits = {"seconds_per_row": 0.01, "allow_untried": False} | changes
    return {each.name: each for each in check_behaviour(answers, BINARY_CLASSIFICATION, **limits)}


def change(name: str, **changes: Any) -> Answers:
    return replace(ANSWERS, given={**ANSWERS.given, name: replace(SOUND, **changes)})


def failed(answers: Answers, **changes: Any) -> list[str]:
    return [name for name, each in check(answers, **changes).items() if not each.ok]


def test_a_model_that_answers_each_row_by_itself_passes() -> None:
    assert failed(ANSWERS) == []
    assert len(check(ANSWERS)) == 16


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("alone", "same_alone"),
        ("at_once", "same_at_once"),
        ("reversed", "same_reversed"),
        ("in_batch", "same_in_batch"),
        ("again", "same_again"),
        ("shuffled", "same_shuffled"),
        ("mixed", "same_mixed"),
        ("missing_served", "same_missing_served"),
    ],
)
def test_an_answer_that_depends_on_more_than_its_row_is_refused(question: str, name: str) -> None:
    moved = FEW.copy()
    moved[7] += 1e-3
    assert failed(change(question, values=moved)) == [name]


def test_a_model_that_answers_otherwise_once_loaded_again_is_told_so_alone() -> None:
    asked_later = ("alone", "at_once", "reversed", "mixed", "again")
    given = dict.fromkeys(asked_later, replace(SOUND, values=FEW + 0.01))
    loaded = replace(ANSWERS, given={**ANSWERS.given, **given})
    assert failed(loaded) == ["same_again"]
    assert "loaded again, it answers differently" in check(loaded)["same_again"].detail


@pytest.mark.parametrize("question", ["missing", "missing_served", "unseen"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1.5, -0.1])
def test_difficult_rows_need_a_possible_answer(question: str, value: float) -> None:
    answers = change(question, values=np.array([*FEW[:-1], value]))
    assert failed(answers) == [f"impossible_{question}"]
    assert "1, expected at most 0" in check(answers)[f"impossible_{question}"].detail
    # Where it is impossible as it is, too, that is what is wrong, and the gate counts it.
    both = replace(answers, given={**answers.given, "all": answers.given[question]})
    assert f"impossible_{question}" not in failed(both)


def test_rows_without_the_features_of_one_table_need_a_possible_answer() -> None:
    answers = change("missing-weather", values=np.array([*FEW[:-1], np.nan]))
    assert failed(answers) == ["impossible_missing-weather"]
    assert "look-ups of weather" in check(answers)["impossible_missing-weather"].detail
    assert failed(change("missing-weather")) == []


def test_rows_with_one_unseen_category_need_a_possible_answer() -> None:
    answers = change("unseen-dest", values=np.array([*FEW[:-1], np.nan]))
    assert failed(answers) == ["impossible_unseen-dest"]
    assert "rows of a dest it has never" in check(answers)["impossible_unseen-dest"].detail
    assert failed(change("unseen-dest")) == []


def test_a_missing_answer_is_counted_elsewhere_and_is_no_difference() -> None:
    gap = np.array([np.nan, *FEW[1:]])
    given = {name: replace(SOUND, values=gap) for name in ("together", "alone", "reversed")}
    given |= {
        name: replace(SOUND, values=gap) for name in ("again", "in_batch", "at_once", "mixed")
    }
    assert failed(replace(ANSWERS, given={**ANSWERS.given, **given})) == []
    given["together"] = SOUND
    given |= dict.fromkeys(("again", "in_batch", "at_once", "mixed", "reversed"), SOUND)
    lost = replace(ANSWERS, given={**ANSWERS.given, **given})
    assert failed(lost) == ["same_alone"]
    assert "NaN or infinite for 1 of" in check(lost)["same_alone"].detail


def test_a_model_that_changes_its_rows_is_refused() -> None:
    assert failed(change("unseen", altered=True)) == ["rows_unchanged"]
    assert "predict on a copy" in check(change("unseen", altered=True))["rows_unchanged"].detail


def test_a_model_that_is_too_slow_is_refused_though_no_more_was_asked() -> None:
    slow = replace(ANSWERS, given={"together": replace(SOUND, seconds=3.0)})
    assert failed(slow) == ["seconds_per_row"]
    assert "0.1 s, expected at most 0.01 s" in check(slow)["seconds_per_row"].detail
    assert failed(slow, seconds_per_row=1.0) == []


@pytest.mark.parametrize(
    ("question", "where"),
    [("all", "the held-out rows"), ("fresh", "fresh features"), ("again", "the first rows again")],
)
def test_a_model_that_is_slow_for_many_rows_or_later_is_refused(question: str, where: str) -> None:
    answers = change(question, seconds=0.5)
    assert failed(answers) == ["seconds_per_row"]
    assert where in check(answers)["seconds_per_row"].detail


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"values": None, "form": "ndarray of <U8, shape (30,)"}, "ndarray of <U8"),
        (
            {
                "values": None,
                "form": "ndarray of float64, shape (30, 2)",
                "expected": "shape (30,)",
            },
            "shape (30, 2), expected shape (30,) of doubles",
        ),
        ({"values": None, "error": "ValueError: no"}, "the held-out rows: it fails with"),
    ],
)
def test_an_answer_of_another_form_is_described(changes: dict[str, Any], text: str) -> None:
    answers = change("all", **changes)
    assert failed(answers) == ["answer_form"]
    assert text in check(answers)["answer_form"].detail


def test_a_model_that_cannot_be_asked_is_refused_with_the_reason() -> None:
    dead = Answers(environment="what is installed", failure="it cannot be loaded: no module")
    assert failed(dead) == ["asked"]
    assert "no module" in check(dead)["asked"].detail
    assert failed(Answers(environment="what is installed")) == ["answer_form"]


def test_classes_are_no_probabilities() -> None:
    classes = (FEW > 0.5).astype(float)
    answers = replace(ANSWERS, given=dict.fromkeys(QUESTIONS, replace(SOUND, values=classes)))
    assert failed(answers) == ["probabilities"]
    limits: dict[str, Any] = {"seconds_per_row": 0.01, "allow_untried": False}
    assert all(each.ok for each in check_behaviour(answers, regression("minutes"), **limits))


def test_an_environment_that_was_not_tried_passes_by_the_policys_word_alone() -> None:
    untried = replace(ANSWERS, untried="uv is not here")
    assert failed(untried) == ["environment"]
    assert failed(untried, allow_untried=True) == []
    assert "environment not tried: uv is not here" in check(untried)["environment"].detail


LABELS = np.array([0.0, 1.0] * 50)


def judge_skill(predictions: Any, **changes: Any) -> dict[str, bool]:
    given: dict[str, Any] = {
        "training_mean": 0.5,
        "heuristic": np.full(100, 0.45),
        "min_skill": 0.02,
    } | changes
    found = check_skill(BINARY_CLASSIFICATION, "log_loss", LABELS, predictions, **given)
    return {each.name: each.ok for each in found}


def test_skill_is_measured_against_the_training_windows_mean_and_the_heuristic() -> None:
    good = np.where(LABELS == 1, 0.6, 0.4)
    assert judge_skill(good) == {"skill": True, "better_than_heuristic": True}
    near = np.where(LABELS == 1, 0.501, 0.499)
    assert judge_skill(near) == {"skill": False, "better_than_heuristic": True}
    assert judge_skill(good, heuristic=good)["better_than_heuristic"] is False


@pytest.mark.parametrize("mean", [None, float("nan")])
def test_skill_that_cannot_be_measured_is_none(mean: float | None) -> None:
    good = np.where(LABELS == 1, 0.6, 0.4)
    assert judge_skill(good, training_mean=mean)["skill"] is False
    assert judge_skill(np.full(100, np.nan)) == {"skill": False, "better_than_heuristic": False}
    assert judge_skill(good, heuristic=np.full(100, np.nan))["better_than_heuristic"] is False
