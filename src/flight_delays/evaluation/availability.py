"""Whether a model's inputs are there before the outcome is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

# With fewer rows an input missing by chance would look like a leak.
MIN_ROWS = 20
# An input that leaks is missing on all rows whose outcome is not known, but for a few that are
# already decided; a sound one may be missing on many, on both sides.
NEARLY_ALL = 0.95
# How much rarer it has to be missing on the other rows. A leak is there on nearly all of them.
LESS = 0.5


@dataclass(frozen=True)
class Missing:
    """An input that is known only once the outcome is.

    Attributes:
        column: The input.
        open_share: The share of rows without a known outcome on which it is missing.
        labelled_share: The same of rows with one.
    """

    column: str
    open_share: float
    labelled_share: float


@dataclass(frozen=True)
class Availability:
    """What came of comparing rows without a known outcome with those that have one.

    Attributes:
        rows: How many rows without a known outcome there are.
        compared: How many of them were compared; 0 where there were too few.
        missing: The inputs that are known only once the outcome is.
    """

    rows: int
    compared: int
    missing: Sequence[Missing] = ()


def compare_availability(
    open_rows: pd.DataFrame, labelled: pd.DataFrame, inputs: Sequence[str], decided_at: str
) -> Availability:
    """Find the inputs that are missing where the outcome is not known yet, and there otherwise.

    Rows are compared with those decided within the same hour, so that a source that has stopped,
    which lacks rows of either kind, is not taken for a leak; where too few were, with those decided
    at the same hour of the day.

    Args:
        open_rows: Rows of whose outcome nothing is known, with their inputs.
        labelled: Rows whose outcome is known, with their inputs.
        inputs: The columns that the model sees.
        decided_at: The column with the instant of the decision.
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
