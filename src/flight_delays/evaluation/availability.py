"""Detect inputs that are only available after the outcome (leakage)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

# With fewer rows an input missing by chance would look like a leak.
MIN_ROWS = 20
# A leaking input is missing on nearly all open rows; a sound one may be missing on many rows of
# both kinds.
NEARLY_ALL = 0.95
# Minimum difference of the missing shares. A leaking input is present on nearly all labelled rows.
LESS = 0.5


@dataclass(frozen=True)
class Missing:
    """An input that is only available after the outcome.

    Attributes:
        open_share: Share of rows without a known outcome on which it is missing.
        labelled_share: Share of rows with a known outcome on which it is missing.
    """

    column: str
    open_share: float
    labelled_share: float


@dataclass(frozen=True)
class Availability:
    """Result of comparing missing inputs between rows with and without a known outcome.

    Attributes:
        rows: Number of rows without a known outcome.
        compared: Number of these that were compared; 0 if there were too few.
        missing: Inputs that are only available after the outcome.
    """

    rows: int
    compared: int
    missing: Sequence[Missing] = ()


def compare_availability(
    open_rows: pd.DataFrame, labelled: pd.DataFrame, inputs: Sequence[str], decided_at: str
) -> Availability:
    """Find the inputs that are missing only while the outcome is unknown.

    Rows are compared with rows decided within the same hour: a source that has stopped lacks rows
    of both kinds and is not a leak. If there are too few, rows decided at the same hour of the day
    are used.

    `open_rows` have no known outcome, `labelled` ones have; `decided_at` is their column with the
    decision time.
    """
    hours = [pd.to_datetime(rows[decided_at]).dt.floor("h") for rows in (open_rows, labelled)]
    for ours, theirs in (hours, [each.dt.hour for each in hours]):
        shared = ours.isin(theirs.unique())
        if shared.sum() >= MIN_ROWS:
            break
    else:
        return Availability(len(open_rows), 0)
    missing = open_rows.loc[shared, list(inputs)].isna().mean()
    usual = labelled[list(inputs)].isna().groupby(theirs).mean()
    expected = usual.reindex(ours[shared]).mean()
    leaks = (missing >= NEARLY_ALL) & (expected <= missing - LESS)
    return Availability(
        len(open_rows),
        int(shared.sum()),
        [
            Missing(str(name), float(missing[name]), float(expected[name]))
            for name in np.asarray(inputs)[leaks.to_numpy()]
        ],
    )
