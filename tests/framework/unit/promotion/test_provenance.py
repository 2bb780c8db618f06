"""A version is promoted only if its inputs have not changed since its validation."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from flight_delays.errors import UnusableInputError
from flight_delays.promotion.model_version import ModelVersion
from flight_delays.promotion.provenance import (
    Provenance,
    check_origin,
    find_mismatch,
    find_overlap,
    hash_rows,
)

START, END = datetime(2013, 2, 1, tzinfo=UTC), datetime(2013, 2, 28, tzinfo=UTC)
FOUND = Provenance(
    digest="d1", as_of=datetime(2013, 3, 1, tzinfo=UTC), start=START, end=END, rows=9, content="c1"
)


def make_version(**tags: str) -> ModelVersion:
    return ModelVersion(model="a.b.model", version=4, aliases=frozenset(), tags=tags)


def test_what_was_recorded_and_holds_still_is_no_mismatch() -> None:
    assert find_mismatch(make_version(**FOUND.tags), FOUND) is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"digest": "d2"}, "code, hyperparameters or policy have changed"),
        ({"as_of": END}, "its as_of has changed"),
        ({"end": START}, "bounds of the holdout have changed"),
        ({"rows": 8}, "held-out rows has changed (validated_rows is 8, validate recorded 9)"),
        ({"content": "c2"}, "keys or labels of the holdout have changed"),
    ],
)
def test_what_has_changed_since_is_named(changes: dict[str, Any], text: str) -> None:
    found = find_mismatch(make_version(**FOUND.tags), replace(FOUND, **changes))
    assert found is not None
    assert text in found
    remedy = "run model_training again" if "digest" in changes else "run validate on it again"
    assert found.endswith(remedy)


def test_nothing_recorded_is_a_mismatch() -> None:
    found = find_mismatch(make_version(), FOUND)
    assert found is not None
    assert "validate recorded nothing" in found


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        ({}, "not recorded"),
        ({"learned_until": "2013-02-01T00:00:01+00:00"}, "inside the holdout"),
        ({"learned_until": "2013-02-01T00:00:00+00:00"}, None),
        ({"learned_until": "2013-01-31T23:59:59+00:00"}, "not up to the holdout"),
    ],
)
def test_a_version_learns_up_to_its_holdout(tags: dict[str, str], text: str | None) -> None:
    found = find_overlap(make_version(**tags), START)
    assert found is None if text is None else text in str(found)
    champion = replace(make_version(**tags), aliases=frozenset({"Champion"}))
    is_early = text is not None and "not up to" in text
    assert find_overlap(champion, START) == (None if is_early else found)


@pytest.mark.parametrize("value", ["soon", "2013-02-01", "2013-02-01T00:00:00"])
def test_an_instant_that_is_none_is_refused_by_name(value: str) -> None:
    with pytest.raises(UnusableInputError, match=r"learned_until of version 4.*Train again"):
        find_overlap(make_version(learned_until=value), START)


def trace(**changes: Any) -> list[str]:
    given: dict[str, Any] = {
        "experiment": "/jobs", "expected_experiment": "/jobs", "creator": "job", "principal": "job",
        "digest": "d1", "start": START,
    }  # fmt: skip
    tags = {"learned_until": START.isoformat(), "training_digest": changes.pop("made_by", "d1")}
    aliases = frozenset({changes.pop("alias", "Challenger")})
    version = replace(make_version(**tags), aliases=aliases)
    return [each.detail for each in check_origin(version, **(given | changes)) if not each.ok]


def test_a_version_of_another_experiment_or_principal_is_refused() -> None:
    assert trace() == []
    (detail,) = trace(experiment="/mine", creator="me")
    assert "experiment '/mine', this job's is '/jobs'" in detail
    assert "'me' registered it, this job runs as 'job'" in detail
    assert "inside the holdout" in trace(start=datetime(2013, 1, 1, tzinfo=UTC))[0]
    assert trace(flaws=["its run was deleted"]) == ["its run was deleted: train it by this job"]


def test_a_principal_is_the_same_however_it_is_spelt() -> None:
    assert trace(creator="Ada@Example.com", principal="ada@example.com") == []


def test_a_version_of_other_code_is_refused_unless_it_is_the_champion() -> None:
    (detail,) = trace(made_by="d0")
    assert "training_digest is d0, but the current code, " in detail
    assert detail.endswith("train again")
    assert trace(made_by="d0", alias="Champion") == []


def test_rows_have_a_hash_whatever_their_order() -> None:
    rows = pd.DataFrame({"key": ["a", "b"], "late": [0.0, 1.0], "x": [1, 2]})
    first = hash_rows(rows, ["key", "late"])
    assert hash_rows(rows.iloc[::-1].assign(x=7), ["key", "late"]) == first
    assert hash_rows(rows.assign(late=[1.0, 1.0]), ["key", "late"]) != first
    assert hash_rows(rows.head(1), ["key", "late"]) != first
