"""The clock of a retried roll-out, a version rolled back in the meantime, and failed reports."""

from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
from databricks.sdk.service.serving import ServedEntityInput

from flight_delays.config.rollout import load_rollout
from flight_delays.lakehouse.errors import LakehouseError
from flight_delays.lakehouse.split_traffic import Pair
from flight_delays.problem import PROBLEM
from flight_delays.promotion.model_version import (
    ENDED_TAG,
    PROGRESS_TAG,
    REJECTED_TAG,
    RUN_TAG,
    STATUS_TAG,
    ModelVersion,
)
from flight_delays.promotion.rollout import RollBack
from flight_delays.tasks import rollout, rollout_ends
from flight_delays.tasks.rollout import start_clock
from flight_delays.tasks.rollout_ends import RolledBackError
from flight_delays.tasks.rollout_evidence import Observer


@pytest.mark.parametrize("hours", [0, 5, 30, 24 * 14])
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


def fail(*_: object, **__: object) -> None:
    raise OSError("no answer")


@pytest.mark.parametrize("failing", ["write_step", "show"])
def test_version_that_does_harm_is_taken_back_even_if_the_report_fails(
    monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def take_back(_: object, reason: str) -> None:
        raise RolledBackError(reason)

    begun = f'[[5, "{datetime.now(UTC).isoformat()}"]]'
    tags = {PROGRESS_TAG: begun, STATUS_TAG: "PASSED"}
    version = ModelVersion(model="a.b.c", version=2, aliases=frozenset(), tags=tags)
    monkeypatch.setattr(rollout, "claim", lambda _: version)
    monkeypatch.setattr(rollout, "require_own", lambda _: version)
    monkeypatch.setattr(rollout, "split", lambda *_: None)
    monkeypatch.setattr(rollout, "predict_held_out", lambda *_: pd.DataFrame({"prediction": [0.5]}))
    monkeypatch.setattr(rollout, "decide_rollout", lambda *_: RollBack("It does harm", ()))
    monkeypatch.setattr(
        rollout, "write_step", fail if failing == "write_step" else lambda *_, **__: 0
    )
    monkeypatch.setattr(rollout, "take_back", take_back)
    for method in ("count", "show"):
        does = fail if method == failing else lambda *_: ()
        monkeypatch.setattr(Observer, method, does)
    parameters = rollout.RolloutParameters(
        model="a.b.c",
        source="a.b",
        target="a.b",
        policy="policy",
        rollout="rollout",
        started_at=datetime.now(UTC),
        job_run="1",
    )
    entity = ServedEntityInput(name="c-2", entity_name="a.b.c", entity_version="2")
    rolled: Any = SimpleNamespace(
        lakehouse=SimpleNamespace(spark=None),
        policy=load_rollout(PROBLEM.model_type).model_copy(update={"probes": 0}),
        challenger=version,
        champion=version,
        pair=Pair(cast("Any", None), "e", entity, entity),
        now=lambda: datetime.now(UTC),
    )
    with pytest.raises(RolledBackError, match="It does harm"):
        rollout.follow(rolled, parameters, lambda _: None)


def test_traffic_goes_back_even_if_the_registry_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone: list[object] = []
    monkeypatch.setattr(rollout_ends, "leave_alone", lambda _, entity: alone.append(entity))
    rolled: Any = SimpleNamespace(tag=fail, pair=SimpleNamespace(champion="the Champion"))
    with pytest.raises(OSError, match="no answer"):
        rollout_ends.take_back(rolled, "It does harm")
    assert alone == ["the Champion"]


def test_rollout_that_was_given_up_is_not_resumed_at_its_last_step() -> None:
    tags = {"decision": "promote", "previous_champion": "1", ENDED_TAG: "given up: another"}
    one = ModelVersion(model="a.b.c", version=1, aliases=frozenset(), tags={})
    two = ModelVersion(model="a.b.c", version=2, aliases=frozenset(), tags=tags)
    with pytest.raises(LakehouseError, match=r"has ended \(given up: another\)\. Run the task"):
        rollout.require_promoted(two, one)


def test_version_that_deploy_rejects_during_its_rollout_loses_its_traffic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def take_back(_: object, reason: str) -> None:
        raise RolledBackError(reason)

    monkeypatch.setattr(rollout, "take_back", take_back)
    tags = {PROGRESS_TAG: "[]", "previous_champion": "1", "decision": "reject"}
    rolled: Any = SimpleNamespace(
        champion=ModelVersion(model="a.b.c", version=1, aliases=frozenset(), tags={}),
        challenger=ModelVersion(
            model="a.b.c",
            version=2,
            aliases=frozenset(),
            tags={**tags, "decision_reason": "other rows"},
        ),
    )
    with pytest.raises(RolledBackError, match="Deploy has decided reject meanwhile: other rows"):
        rollout.complete(rolled)


@pytest.mark.parametrize("status", [{}, {STATUS_TAG: "PENDING"}, {STATUS_TAG: "FAILED"}])
def test_version_that_failed_a_later_validation_gets_no_traffic(status: dict[str, str]) -> None:
    tags = {"decision": "promote", "previous_champion": "1", **status}
    one = ModelVersion(model="a.b.c", version=1, aliases=frozenset(), tags={})
    two = ModelVersion(model="a.b.c", version=2, aliases=frozenset(), tags=tags)
    with pytest.raises(LakehouseError, match="gets no traffic: its validation status is"):
        rollout.require_promoted(two, one)
