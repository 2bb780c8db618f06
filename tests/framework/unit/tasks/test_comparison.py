"""Only versions that passed validation are compared, served or made Champion."""

from typing import Any

import pandas as pd
import pytest

from flight_delays.errors import UnusableInputError
from flight_delays.lakehouse.errors import LakehouseError
from flight_delays.promotion.model_version import STATUS_TAG, ModelVersion
from flight_delays.tasks import comparison, rollback

UNPASSED = [{}, {STATUS_TAG: "PENDING"}, {STATUS_TAG: "FAILED"}]


@pytest.fixture(autouse=True)
def loaded_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if a version is loaded."""

    def load(*_: Any) -> None:
        pytest.fail("it was loaded")

    monkeypatch.setattr(comparison, "score", load)
    monkeypatch.setattr(rollback, "read_rows", load)


def make_champion(tags: dict[str, str]) -> ModelVersion:
    return ModelVersion(model="a.b.model", version=3, aliases=frozenset({"Champion"}), tags=tags)


@pytest.mark.parametrize("tags", UNPASSED)
def test_a_champion_that_has_not_passed_is_not_compared_with(tags: dict[str, str]) -> None:
    nothing: Any = None
    with pytest.raises(LakehouseError, match="expected 'PASSED': it is not loaded"):
        comparison.add_incumbent(pd.DataFrame(), nothing, make_champion(tags), nothing)


@pytest.mark.parametrize("tags", UNPASSED)
def test_endpoint_and_alias_are_not_brought_to_a_version_that_has_not_passed(
    tags: dict[str, str],
) -> None:
    nothing: Any = None
    with pytest.raises(UnusableInputError, match="allowed: a version that has PASSED"):
        rollback.bring(make_champion(tags), None, "a.b", nothing)
