"""A decision carries one line of reason."""

from dataclasses import FrozenInstanceError

import pytest

from flight_delays.evaluation.errors import UnusableInputError
from flight_delays.promotion.decisions import (
    Decision,
    Failed,
    Keep,
    Passed,
    Promote,
    Reject,
)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("better", "better"),
        (" two\n lines\tand a tab ", "two lines and a tab"),
        ("x" * 1000, "x" * 1000),
        ("x" * 1001, "x" * 997 + "..."),
    ],
)
def test_a_reason_is_one_line_that_fits_into_a_tag(given: str, kept: str) -> None:
    assert Reject(given).reason == kept
    assert Failed(given, ()).reason == kept


@pytest.mark.parametrize("reason", ["", " \n"])
def test_a_decision_without_a_reason_is_refused(reason: str) -> None:
    with pytest.raises(UnusableInputError, match="reason"):
        Promote(reason)


def test_decisions_are_told_apart_by_label_and_verdicts_by_status() -> None:
    decisions: tuple[Decision, ...] = (Promote("r"), Keep("r"), Reject("r"))
    assert [decision.label for decision in decisions] == ["promote", "keep", "reject"]
    assert (Passed("r", ()).status, Failed("r", ()).status) == ("PASSED", "FAILED")
    assert len(set(decisions)) == 3


def test_a_decision_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Keep("r").reason = "another"  # type: ignore[misc]
