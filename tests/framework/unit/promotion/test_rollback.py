"""The target version of a rollback, and how long it is held."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from flight_delays.errors import UnusableInputError
from flight_delays.promotion.decide import CHALLENGER, CHAMPION, Reject, precheck
from flight_delays.promotion.model_version import (
    ENDED_TAG,
    HELD_UNTIL_TAG,
    PROGRESS_TAG,
    REJECTED_TAG,
    STATUS_TAG,
    ModelVersion,
)
from flight_delays.promotion.rollback import (
    PREVIOUS_TAG,
    choose_version,
    find_hold,
    plan_hold,
    require_passed,
)

NOW = datetime(2013, 11, 1, 6, tzinfo=UTC)
TAGS = {STATUS_TAG: "PASSED", "as_of": "2013-10-01T00:00:00+00:00"}


def version(tags: Mapping[str, str], number: int = 5, alias: str = CHAMPION) -> ModelVersion:
    return ModelVersion(
        model="a.b.c", version=number, aliases=frozenset({alias}), tags={**TAGS, **tags}
    )


@pytest.mark.parametrize(
    ("asked", "previous", "chosen"),
    [("", "3", 3), (" 4 ", "3", 4), ("4", "none", 4), ("12", None, 12)],
)
def test_the_version_asked_for_comes_before_the_recorded_one(
    asked: str, previous: str | None, chosen: int
) -> None:
    tags = {} if previous is None else {PREVIOUS_TAG: previous}
    assert choose_version(version(tags), asked) == chosen


@pytest.mark.parametrize("asked", ["-1", "0", "v3", "3.0", "1e1", "³"])
def test_what_is_no_version_is_refused(asked: str) -> None:
    with pytest.raises(UnusableInputError, match="to_version"):
        choose_version(version({PREVIOUS_TAG: "3"}), asked)


@pytest.mark.parametrize("champion", [None, version({}), version({PREVIOUS_TAG: "none"})])
def test_without_a_former_champion_a_version_has_to_be_named(champion: ModelVersion | None) -> None:
    with pytest.raises(UnusableInputError, match="no former Champion is recorded"):
        choose_version(champion, "")


@pytest.mark.parametrize("status", ["FAILED", "PENDING", ""])
def test_a_version_that_never_passed_is_refused(status: str) -> None:
    require_passed(version({}))
    with pytest.raises(UnusableInputError, match="PASSED"):
        require_passed(version({STATUS_TAG: status}))


@pytest.mark.parametrize(("days", "after", "held"), [(7, 6, True), (7, 7, False), (0, 0, False)])
def test_a_champion_is_held_for_so_many_days(days: int, after: int, held: bool) -> None:
    champion = version({HELD_UNTIL_TAG: plan_hold(NOW, days)})
    decision = find_hold(champion, NOW + timedelta(days=after))
    assert (decision is not None) == held
    assert decision is None or "is held until 2013-11-08T06:00:00+00:00" in decision.reason


def test_nobody_else_is_held() -> None:
    assert find_hold(None, NOW) is None
    assert find_hold(version({}), NOW) is None


@pytest.mark.parametrize("until", ["next week", "", " "])
def test_a_hold_that_cannot_be_read_is_refused(until: str) -> None:
    with pytest.raises(UnusableInputError, match="held_until"):
        find_hold(version({HELD_UNTIL_TAG: until}), NOW)


@pytest.mark.parametrize(
    ("tag", "said"), [("slow", "slow"), ("", "no reason is given"), (" ", "no reason is given")]
)
def test_a_version_that_was_taken_back_is_not_promoted_again(tag: str, said: str) -> None:
    challenger = version({REJECTED_TAG: tag}, 6, CHALLENGER)
    decision = precheck(challenger, version({}))
    assert isinstance(decision, Reject)
    assert f"it was taken back: {said}" in decision.reason
    assert precheck(replace(challenger, tags=TAGS), version({})) is None


@pytest.mark.parametrize(
    ("tags", "rolling"),
    [
        ({}, False),
        ({PROGRESS_TAG: "[]"}, True),
        ({PROGRESS_TAG: "[]", ENDED_TAG: "finished"}, False),
        ({PROGRESS_TAG: "[]", REJECTED_TAG: "slow"}, True),
    ],
)
def test_a_rollout_goes_on_until_it_has_ended(tags: dict[str, str], rolling: bool) -> None:
    assert version(tags).is_rolling_out == rolling
