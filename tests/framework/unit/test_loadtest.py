"""Evaluation of a load test's figures, and invalid inputs."""

import argparse
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import ServingEndpointDetailed

from flight_delays.config.serving import LoadLimits

from delivery.commands import PROJECT
from loadtest import sweep
from loadtest.__main__ import find_only, read_arguments, recommend, whole
from loadtest.sweep import (
    Level,
    LoadTestError,
    Target,
    choose_level,
    name_size,
    read_concurrency,
    recommend_concurrency,
    require_ready,
)

LIMITS = LoadLimits(clients=4, seconds=20, p95_limit_ms=200, errors_limit=0.01)
SOUND = Level(4, 1000, 10, 62.5, 40, 200, 400, client_is_busy=False)
SLOW = replace(SOUND, clients=8, rps=90.0, p95_ms=201)
FAILING = replace(SOUND, clients=16, rps=99.0, failures=11, said=("11 times 429",))


@pytest.mark.parametrize(
    ("level", "says"),
    [
        (SOUND, []),
        (SLOW, ["p95 is 201 ms, the limit 200 ms"]),
        (FAILING, ["1.10% of 1,000 requests failed, the limit is 1.00%: 11 times 429"]),
        (
            replace(SOUND, requests=0, failures=0),
            ["100.00% of 0 requests failed, the limit is 1.00%"],
        ),
    ],
)
def test_a_level_says_which_limits_it_does_not_keep(level: Level, says: list[str]) -> None:
    assert level.violations(LIMITS) == says


def test_the_fastest_level_within_the_limits_is_chosen() -> None:
    levels = [replace(SOUND, clients=1, rps=20.0), SOUND, SLOW, FAILING]
    assert choose_level(levels, LIMITS) == SOUND
    assert choose_level([SLOW, FAILING], LIMITS) is None


def test_without_limits_no_request_may_fail() -> None:
    clean = replace(SLOW, failures=0)
    assert choose_level([SOUND, clean, FAILING], None) == clean


@pytest.mark.parametrize(
    ("rps", "needed", "size"),
    [
        (1, 4, "workload_size: Small"),
        (62, 4, "workload_size: Small"),
        (63, 8, "workload_size: Medium"),
        (250, 16, "workload_size: Medium"),
        (251, 20, "workload_size: Large"),
        (1001, 68, "min_provisioned_concurrency: 68"),
    ],
)
def test_a_size_follows_databricks_formula(rps: int, needed: int, size: str) -> None:
    assert recommend_concurrency(SOUND, 4, rps) == needed
    assert name_size(needed).endswith(size)


def test_a_level_whose_client_was_busy_recommends_nothing() -> None:
    busy = replace(SOUND, client_is_busy=True)
    assert recommend([busy], 4, LIMITS, 100).startswith("No size is recommended")
    assert "4 * ceil(100 / 62.5) = 8, workload_size: Medium" in recommend(
        [busy, SOUND], 4, LIMITS, 100
    )


def endpoint(**served: Any) -> ServingEndpointDetailed:
    return ServingEndpointDetailed.from_dict(
        {"name": "e", "state": {"ready": "READY"}, "config": {"served_entities": [served]}}
    )


def test_the_concurrency_is_that_of_the_size_or_as_provisioned() -> None:
    assert read_concurrency(endpoint(workload_size="Medium")) == 16
    assert read_concurrency(endpoint(max_provisioned_concurrency=12)) == 12


def test_an_endpoint_that_cannot_be_asked_is_refused() -> None:
    require_ready(endpoint())
    pending = ServingEndpointDetailed.from_dict({"name": "e", "state": {"ready": "NOT_READY"}})
    with pytest.raises(LoadTestError, match="Endpoint e is not ready"):
        require_ready(pending)
    with pytest.raises(LoadTestError, match="Endpoint e is route-optimized"):
        require_ready(replace(endpoint(), route_optimized=True))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "There is no endpoint. Run model_training first, or `make demo`."),
        (["b", "a"], "There are 2 endpoints. Name one: ENDPOINT=a"),
    ],
)
def test_no_endpoint_or_several_are_refused(names: list[str], says: str) -> None:
    listed = [SimpleNamespace(name=name) for name in names]
    workspace = SimpleNamespace(serving_endpoints=SimpleNamespace(list=lambda: listed))
    with pytest.raises(LoadTestError) as refused:
        find_only(cast(WorkspaceClient, workspace))
    assert str(refused.value) == says


def test_commands_of_the_document_are_those_of_the_makefile() -> None:
    page = (PROJECT / "docs" / "serving.md").read_text()
    commands = re.findall(r"^make loadtest.*$", page, re.M)
    asked = []
    for command in commands:
        done = subprocess.run(
            ["make", "--dry-run", *shlex.split(command)[1:]],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        (recipe,) = re.findall(r"-m loadtest((?: .*\\\n)* ?.*)$", done.stdout, re.M)
        read = read_arguments(shlex.split(recipe.replace("\\\n", " ")))
        asked.append((read.target, read.clients, read.seconds, read.rps))
        assert ("laptop exec -- python -m loadtest" in done.stdout) == (read.target is None)
    assert asked == [
        (None, [1, 2, 4, 8, 16], 20, 200),
        ("staging", [1, 2, 4, 8, 16], 20, 200),
        ("staging", [4, 16, 64], 60, None),
    ]


def test_locust_that_is_missing_is_named_with_what_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep, "LOCUST", PROJECT / "none" / "bin" / "locust")
    target = Target(cast(WorkspaceClient, None), "e", "c.s", 4, [{}])
    with pytest.raises(LoadTestError, match="Locust is not in none, where `make loadtest`"):
        target.measure(1, 1, Path("never"))


@pytest.mark.parametrize("text", ["0", "257", "-1", "1.5", "many"])
def test_a_number_out_of_bounds_is_refused(text: str) -> None:
    assert whole(256)("256") == 256
    with pytest.raises(argparse.ArgumentTypeError, match="no whole number from 1 to 256"):
        whole(256)(text)
