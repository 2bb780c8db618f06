"""Planted models, registered and sent through the job's tasks: each ends where it has to."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from conformance.planted.catalogue import FAILED, NEEDS_APPROVAL, PASSED, PLANTS, Plant
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
run(PLANTS, {MODEL!r}, {SCHEMA!r}, pages=False)
"""


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
    before = read_standing(workspace)
    printed = workspace.execute(PROGRAM)
    found = [json.loads(line) for line in printed.splitlines() if line.startswith('{"name"')]
    return Planting({each["name"]: each for each in found}, before, read_standing(workspace))


def read_standing(laptop: Laptop) -> Any:
    """Return what endpoints serve, and the Champion."""
    status = laptop.status()
    champions = [
        version["version"]
        for model in status["models"]
        for version in model["versions"]
        if "Champion" in version["aliases"]
    ]
    return status["endpoints"], champions


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_planted_model_ends_where_it_has_to_with_its_own_reason(
    planting: Planting, plant: Plant
) -> None:
    found = planting.found[plant.name]
    ends = found["decision"] or found["status"]
    assert ends == plant.ends, found
    said = found["decision_reason"] if found["decision"] else found["reason"]
    assert plant.reason in said, said
    assert found["champion_stayed"] is not plant.moves_alias
    if not plant.moves_alias:
        assert "Champion" not in found["aliases"]
    assert ("Challenger" in found["aliases"]) == (ends != FAILED)
    assert bool(found["error"]) == (ends not in (PASSED, "keep")), found["error"]


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
    names = [plant.name for plant in PLANTS]
    assert len(set(names)) == len(names) > 24 + len([p for p in PLANTS if p.ends == PASSED])
    assert {FAILED, PASSED, NEEDS_APPROVAL, "reject", "keep"} == {plant.ends for plant in PLANTS}
    assert all(bool(plant.reason) == (plant.ends != PASSED) for plant in PLANTS)
