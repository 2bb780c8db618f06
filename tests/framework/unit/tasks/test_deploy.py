"""Start of a gradual roll-out by deploy, without a workspace."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from flight_delays.lakehouse.errors import LakehouseError
from flight_delays.promotion.model_version import ENDED_TAG, PROGRESS_TAG, ModelVersion
from flight_delays.tasks import deploy

PARAMETERS = deploy.DeployParameters(
    model_uri="models:/a.b.c/2",
    source="a.b",
    policy="policy",
    rollout_job=7,
    started_at=datetime(2013, 12, 1, tzinfo=UTC),
)


class Registry:
    """The tags of one version."""

    def __init__(self, **tags: str) -> None:
        self.tags = tags

    def set_model_version_tag(self, _model: str, _version: str, key: str, value: str) -> None:
        self.tags[key] = value

    def delete_model_version_tag(self, _model: str, _version: str, key: str) -> None:
        del self.tags[key]


def start(registry: Registry, started: list[Any]) -> None:
    """Start the roll-out of version 2 beside version 1."""

    def run_now(**named: Any) -> SimpleNamespace:
        started.append(named)
        return SimpleNamespace(run_id=3)

    one, two = (
        ModelVersion(model="a.b.c", version=number, aliases=frozenset(), tags=dict(registry.tags))
        for number in (1, 2)
    )
    lakehouse: Any = SimpleNamespace(
        registry=registry,
        workspace=SimpleNamespace(jobs=SimpleNamespace(run_now=run_now)),
        set_task_value=lambda *_: None,
    )
    deploy.start_rollout(two, one, pd.DataFrame(), PARAMETERS, lakehouse)


def test_version_that_batch_predicts_differently_is_not_left_as_promoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def check_batch(*_: object) -> None:
        raise LakehouseError("Batch predicts 100 rows differently")

    monkeypatch.setattr(deploy, "check_batch", check_batch)
    registry, started = Registry(decision="promote", previous_champion="1"), list[Any]()
    with pytest.raises(LakehouseError, match="differently"):
        start(registry, started)
    assert started == []
    assert registry.tags["decision"] == "reject"
    reason = registry.tags["decision_reason"]
    assert reason == "It was not deployed: Batch predicts 100 rows differently"


@pytest.mark.parametrize("ended", ["given up: Champion was version 7", None])
def test_new_rollout_begins_at_its_first_step_and_a_running_one_goes_on(
    monkeypatch: pytest.MonkeyPatch, ended: str | None
) -> None:
    monkeypatch.setattr(deploy, "check_batch", lambda *_: None)
    tags = {PROGRESS_TAG: '[[50, "2013-11-01T00:00:00+00:00"]]'}
    registry, started = Registry(**tags, **({ENDED_TAG: ended} if ended else {})), list[Any]()
    start(registry, started)
    assert len(started) == 1
    assert registry.tags == {"previous_champion": "1", **({} if ended else tags)}
