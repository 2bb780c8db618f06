"""Planted models, registered and sent through the job's tasks: each ends where it has to."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from laptop.jobs.processes import ForkServer

from conformance.planted.catalogue import (
    FAILED,
    KEEP,
    NEEDS_APPROVAL,
    PASSED,
    PLANTS,
    REJECT,
    Plant,
)
from conformance.tests.projects import ROOT
from flight_delays.errors import DeclarationError
from flight_delays.problem import PROBLEM
from flight_delays.spec.tables import FeatureTable

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy

# Appended: the repository's folder laptop/ must not hide the package.
PROGRAM = f"""
import sys
sys.path.append({str(ROOT)!r})
from conformance.planted.catalogue import PLANTS
from conformance.planted.program import run
run([plant for plant in PLANTS if plant.nightly is NIGHTLY], {MODEL!r}, {SCHEMA!r}, pages=NIGHTLY)
"""
CASES = [
    pytest.param(plant, id=plant.name, marks=pytest.mark.nightly if plant.nightly else ())
    for plant in PLANTS
]


@dataclass(frozen=True)
class Planting:
    """What came of all planted models.

    Attributes:
        found: What came of each, by its name.
        before: What endpoints serve, and the Champion, before.
        after: The same afterwards.
    """

    found: Mapping[str, Mapping[str, Any]]
    before: Any
    after: Any


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, trained_state: Path) -> Iterator[Laptop]:
    with open_copy(trained_state, tmp_path_factory.mktemp("planted")) as laptop:
        yield laptop


@pytest.fixture(scope="module")
def planting(workspace: Laptop) -> Planting:
    return plant_models(workspace, nightly=False)


@pytest.fixture(scope="module")
def nightly_planting(workspace: Laptop) -> Planting:
    return plant_models(workspace, nightly=True)


def plant_models(workspace: Laptop, *, nightly: bool) -> Planting:
    before = read_standing(workspace)
    # As on a workspace: a model may look for the token in the environment of its parent.
    server = ForkServer(workspace.task_environment(), ["flight_delays.tasks.validate"])
    try:
        printed = workspace.execute(f"NIGHTLY = {nightly}\n{PROGRAM}", server)
    finally:
        server.close()
    found = [json.loads(line) for line in printed.splitlines() if line.startswith('{"name"')]
    return Planting({each["name"]: each for each in found}, before, read_standing(workspace))


def read_versions(laptop: Laptop) -> dict[int, Any]:
    """Return the versions of the model, by number."""
    (model,) = (model for model in laptop.status()["models"] if model["name"] == MODEL)
    return {each["version"]: each for each in model["versions"]}


def read_standing(laptop: Laptop) -> Any:
    """Return what endpoints serve, and the Champion."""
    versions = read_versions(laptop)
    champions = [number for number, each in versions.items() if "Champion" in each["aliases"]]
    return laptop.status()["endpoints"], champions


@pytest.mark.parametrize("plant", CASES)
def test_planted_model_ends_where_it_has_to_with_its_own_reason(
    request: pytest.FixtureRequest, plant: Plant
) -> None:
    planting = request.getfixturevalue("nightly_planting" if plant.nightly else "planting")
    found = planting.found[plant.name]
    ends = found["decision"] or found["status"]
    assert ends == plant.ends, found
    said = found["decision_reason"] if found["decision"] else found["reason"]
    assert plant.reason in said, said
    assert found["champion_stayed"]
    assert "Champion" not in found["aliases"]
    assert ("Challenger" in found["aliases"]) == (ends != FAILED)
    assert bool(found["error"]) == (ends not in (PASSED, KEEP)), found["error"]


def test_endpoint_and_champion_are_as_they_were(planting: Planting) -> None:
    assert planting.after == planting.before


def test_a_table_without_time_that_reads_the_outcome_cannot_be_declared() -> None:
    source, key = PROBLEM.label.source, next(iter(PROBLEM.keys))
    later = FeatureTable(
        name="told_later",
        primary_keys=(key,),
        timeseries_column=None,
        fresh_within=timedelta(days=2),
        lookback=None,
        categorical=(),
        numerical=("share",),
        description="What happened, whenever that was.",
        sql=f"SELECT {key}, avg({PROBLEM.label.column}) AS share FROM {{{source}}} GROUP BY {key}",
    )
    with pytest.raises(DeclarationError, match="has the label, and no timeseries_column"):
        replace(PROBLEM, feature_tables=(*PROBLEM.feature_tables, later))


def test_catalogue_has_each_plant_once() -> None:
    bad = [plant.name for plant in PLANTS if plant.ends != PASSED and not plant.nightly]
    assert len(bad) >= 24
    assert len({plant.name for plant in PLANTS}) == len(PLANTS)
    assert {FAILED, PASSED, NEEDS_APPROVAL, REJECT, KEEP} == {plant.ends for plant in PLANTS}
    assert all(bool(plant.reason) == (plant.ends != PASSED) for plant in PLANTS)
