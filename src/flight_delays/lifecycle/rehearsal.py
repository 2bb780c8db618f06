"""Where candidates are tried: on the latest rows of the training window, never on the holdout."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from .errors import UnusableInputError
from .policy import Count, Section

Positions = NDArray[np.intp]


class RehearsalPolicy(Section):
    """How the rows of the training window are divided to try candidates.

    Attributes:
        share: Of the rows, how many of the latest candidates are tested on.
        max_rows: Rows to use at most, drawn from all of the window.
        seed: Of the drawing.
    """

    share: float = Field(gt=0, lt=1)
    max_rows: Count
    seed: int = Field(ge=0)


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """Positions of rows: `learned` were all decided before any of `tested`."""

    learned: Positions
    tested: Positions


def rehearse(decided_at: ArrayLike, policy: RehearsalPolicy) -> Rehearsal:
    """Divide the rows of a training window by the time they were decided.

    Args:
        decided_at: When each row was decided, in any order.
        policy: How to divide them.

    Raises:
        UnusableInputError: All rows were decided at once, so that none is later than others.
    """
    instants = np.asarray(decided_at, dtype="datetime64[ns]")
    drawn = draw_rows(instants.size, policy.max_rows, policy.seed)
    times = instants[drawn]
    cut = np.sort(times)[int(times.size * (1 - policy.share))] if times.size else None
    learned, tested = drawn[times < cut], drawn[times >= cut]
    if not learned.size:
        raise UnusableInputError(
            "rows to try candidates on",
            got=f"{times.size:,} rows of which none was decided before the latest "
            f"{policy.share:.0%}",
            allowed="rows of several instants",
            remedy="Train on a longer window, or give a smaller rehearsal.share in "
            "conf/training.yml.",
        )
    return Rehearsal(learned, tested)


def draw_rows(rows: int, most: int, seed: int) -> Positions:
    """Return the positions of all rows, or of `most` drawn ones, in their order."""
    if rows <= most:
        return np.arange(rows)
    drawn = np.random.default_rng(seed).choice(rows, size=most, replace=False)
    return np.sort(drawn)
