"""Inputs available only with the label are reported; those of a stopped source are not."""

import numpy as np
import pandas as pd
import pytest

from flight_delays.evaluation.availability import (
    MIN_ROWS,
    Availability,
    Missing,
    compare_availability,
)

AS_OF = pd.Timestamp("2026-02-01T00:00")
HOUR = pd.Timedelta(hours=1)
INPUTS = ("sound", "sparse", "told_later")


def decide(rows: int, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Return rows decided at equal intervals, without missing inputs."""
    at = pd.Series(first + (last - first) / rows * np.arange(rows))
    sparse = np.where(np.arange(rows) % 10 == 0, 1.0, np.nan)
    return pd.DataFrame({"at": at, "sound": 1.0, "sparse": sparse, "told_later": 1.0})


def compare(open_rows: pd.DataFrame, labelled: pd.DataFrame) -> Availability:
    return compare_availability(open_rows, labelled, INPUTS, "at")


LABELLED = decide(7200, AS_OF - 30 * 24 * HOUR, AS_OF)
OPEN = decide(60, AS_OF - 3 * HOUR, AS_OF + 2 * HOUR)


def test_inputs_that_are_there_before_the_label_pass() -> None:
    found = compare(OPEN, LABELLED)
    assert found.missing == []
    # Decided before `as_of`, within the hours of labelled rows.
    assert (found.rows, found.compared) == (60, 36)


@pytest.mark.parametrize("known", [0, 1])
def test_input_that_is_there_only_with_the_label_is_found(known: int) -> None:
    leaking = OPEN.assign(told_later=np.where(np.arange(60) < known, 1.0, np.nan))
    (missing,) = compare(leaking, LABELLED).missing
    assert missing == Missing("told_later", 1 - known / 36, 0.0)


def test_input_that_half_of_the_open_rows_have_is_not_taken_for_a_leak() -> None:
    half = OPEN.assign(told_later=np.where(np.arange(60) % 2 == 0, 1.0, np.nan))
    assert compare(half, LABELLED).missing == []


def test_source_that_has_stopped_is_not_taken_for_a_leak() -> None:
    since = AS_OF - 20 * HOUR
    labelled, open_rows = (
        rows.assign(told_later=rows["told_later"].where(rows["at"] < since))
        for rows in (LABELLED, OPEN)
    )
    assert open_rows["told_later"].isna().all()
    assert labelled["told_later"].isna().mean() < 0.05
    assert compare(open_rows, labelled).missing == []


def test_rows_without_company_are_compared_with_those_of_the_same_hour_of_the_day() -> None:
    # As of two in the morning, hours after the last arrival: missing on each such night.
    night = [rows.assign(told_later=rows["told_later"].where(rows["at"].dt.hour >= 2))
             for rows in (decide(60, AS_OF, AS_OF + 2 * HOUR), LABELLED)]  # fmt: skip
    assert compare(*night).missing == []
    assert compare(*night).compared == 60
    (missing,) = compare(night[0], LABELLED).missing
    assert missing.column == "told_later"


@pytest.mark.parametrize("rows", [0, MIN_ROWS - 1])
def test_with_too_few_rows_nothing_is_compared_and_nothing_found(rows: int) -> None:
    few = decide(MIN_ROWS, AS_OF - 2 * HOUR, AS_OF)[:rows].assign(told_later=np.nan)
    assert compare(few, LABELLED) == Availability(rows, 0)
    assert compare(few, LABELLED[:0]) == Availability(rows, 0)
