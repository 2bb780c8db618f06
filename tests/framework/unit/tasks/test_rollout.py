"""The clock of a retried roll-out, and a version rolled back in the meantime."""

from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from flight_delays.promotion.model_version import REJECTED_TAG, RUN_TAG, ModelVersion
from flight_delays.tasks import rollout, rollout_ends
from flight_delays.tasks.rollout import start_clock
from flight_delays.tasks.rollout_ends import RolledBackError


@pytest.mark.parametrize("hours", [0, 5, 30])
def test_a_retry_long_after_the_job_began_has_the_time_of_now(hours: int) -> None:
    told = start_clock(datetime.now(UTC) - timedelta(hours=hours))()
    assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_clock_that_was_set_goes_on_from_there() -> None:
    began = datetime(2013, 11, 1, 6, tzinfo=UTC)
    assert timedelta() <= start_clock(began)() - began < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("module", "go_on"), [(rollout, rollout.complete), (rollout_ends, rollout_ends.require_own)]
)
def test_a_version_with_an_empty_tag_rejected_is_taken_back(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, go_on: Any
) -> None:
    def take_back(_: object, reason: str) -> None:
        raise RolledBackError(reason)

    tags = {REJECTED_TAG: "", RUN_TAG: "1"}
    challenger = ModelVersion(model="a.b.c", version=2, aliases=frozenset(), tags=tags)
    monkeypatch.setattr(module, "take_back", take_back)
    monkeypatch.setattr(rollout_ends, "read_version", lambda *_: challenger)
    monkeypatch.setattr(rollout_ends, "read_aliases", lambda *_: {"Champion": 1})
    going_on = SimpleNamespace(
        challenger=challenger,
        champion=ModelVersion(model="a.b.c", version=1, aliases=frozenset(), tags={}),
        lakehouse=SimpleNamespace(registry=None),
        run="1",
    )
    with pytest.raises(RolledBackError, match="no reason is given"):
        go_on(going_on)
