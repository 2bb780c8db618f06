"""Times at which features are computed and published: by schedule and by stream progress."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from laptop.bundle import Identity, resolve

from flight_delays.config.policy import BEGINNING
from flight_delays.errors import DeclarationError
from flight_delays.problem import PROBLEM
from flight_delays.tasks import features, publish, stream_refresh
from flight_delays.tasks.features import FeatureParameters, limit_as_of
from flight_delays.tasks.stream_refresh import StreamRefreshParameters

from tests.declared import ROOT

TARGETS = list(yaml.safe_load((ROOT / "databricks.yml").read_text())["targets"])
NONE: Mapping[str, str] = {}


def find_schedule(
    target: str, variables: Mapping[str, str] = NONE
) -> tuple[str, FeatureParameters]:
    """Return the job's schedule in a target, and the parameters of its task features."""
    identity = Identity("ann@example.com", "ann")
    bundle = resolve(Path(ROOT), target=target, variables=variables, identity=identity)
    job: dict[str, Any] = bundle.jobs["feature_refresh"]
    (features,) = (task for task in job["tasks"] if task["task_key"] == "features")
    given = dict(each.split("=", 1) for each in features["python_wheel_task"]["parameters"])
    told = {
        "--target": "a.b",
        "--model": "a.b.c",
        "--as_of": "2013-11-01",
        "--schedule": given["--schedule"],
    }
    assert job["schedule"]["timezone_id"] == "UTC"
    return job["schedule"]["quartz_cron_expression"], FeatureParameters.parse(
        [f"{name}={value}" for name, value in told.items()]
    )


@pytest.mark.parametrize("target", TARGETS)
def test_the_schedule_of_each_target_keeps_what_the_problem_declares(target: str) -> None:
    schedule, told = find_schedule(target)
    assert told.schedule == schedule
    PROBLEM.refresh.require_schedule(schedule)


def test_a_schedule_that_is_changed_for_a_deploy_reaches_the_task_that_refuses_it() -> None:
    schedule, told = find_schedule("prod", {"refresh_schedule": "0 0 1 1 * ?"})
    assert told.schedule == schedule == "0 0 1 1 * ?"
    with pytest.raises(DeclarationError, match="refresh_schedule"):
        PROBLEM.refresh.require_schedule(told.schedule)


NOON, HOUR = datetime(2026, 3, 1, 12, tzinfo=UTC), timedelta(hours=1)
TABLE = PROBLEM.feature_tables[0]
STREAMED = TABLE.sources[-1]


@pytest.mark.parametrize(
    ("taken_in", "expected", "reason"),
    [
        ({}, BEGINNING, f"until the job stream_refresh has taken in {STREAMED}"),
        (
            {STREAMED: NOON - HOUR},
            NOON - HOUR,
            f"up to 2026-03-01 11:00:00 UTC, as far as {STREAMED}",
        ),
        ({STREAMED: NOON}, NOON, ""),
        ({STREAMED: NOON + HOUR}, NOON, ""),
    ],
)
def test_a_table_is_computed_as_far_as_its_streams_were_taken_in(
    monkeypatch: pytest.MonkeyPatch,
    taken_in: Mapping[str, datetime],
    expected: datetime,
    reason: str,
) -> None:
    sources = tuple(
        replace(source, read=None) if source.name == STREAMED else source
        for source in PROBLEM.sources
    )
    monkeypatch.setattr(
        features,
        "PROBLEM",
        SimpleNamespace(
            require_source=lambda name: next(source for source in sources if source.name == name)
        ),
    )
    as_of, said = limit_as_of(TABLE, NOON, taken_in)
    assert as_of == expected
    assert reason in said
    other = replace(TABLE, sql="SELECT 1")
    assert limit_as_of(other, NOON, taken_in) == (NOON, "")


@pytest.mark.parametrize(("endpoint", "published"), [(True, 1), (False, 0)])
def test_features_of_streams_are_published_only_for_an_endpoint(
    monkeypatch: pytest.MonkeyPatch, endpoint: bool, published: int
) -> None:
    done = []
    monkeypatch.setattr(features, "run", lambda *_: None)
    monkeypatch.setattr(publish, "run", lambda *given: done.append(given))
    monkeypatch.setattr(stream_refresh, "load_serving", lambda: SimpleNamespace(endpoint=endpoint))
    lakehouse: Any = None
    parameters = StreamRefreshParameters.parse(
        ["--target=a.b", "--model=a.b.c", "--volume=a.b.v", "--online_store=o", "--as_of="]
    )
    stream_refresh.bring_up(parameters, lakehouse, NOON)
    assert len(done) == published
