"""Test predictions of a version: the rows to predict and the results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..evaluation.observations import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """Rows to predict.

    Attributes:
        take: Positions of the rows of each call of predict; None for all rows in one call.
        as_json: Whether rows are converted as in a request to an endpoint.
        timed: Whether the remaining questions are skipped if this one takes too long.
        reload: Whether the model is loaded again before, so that it has seen no rows.
        at_once: Whether several threads predict the parts of `take` at the same time.
    """

    name: str
    rows: pd.DataFrame
    take: Sequence[Sequence[int]] | None = None
    as_json: bool = False
    timed: bool = False
    reload: bool = False
    at_once: bool = False

    @property
    def size(self) -> int:
        """Number of rows to predict."""
        return len(self.rows) if self.take is None else sum(map(len, self.take))


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """The result of a question.

    Attributes:
        values: One double per row; None if predict returned anything else.
        form: Type, dtype and shape of the result.
        expected: The expected shape, if it differs.
        error: Why there is no result.
        altered: Whether the model modified its input.
    """

    values: FloatArray | None = None
    form: str = ""
    expected: str = ""
    error: str = ""
    altered: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """All results of a version, which was loaded in a separate process.

    Attributes:
        environment: Description of the environment it was loaded in.
        untried: Why the environment of its requirements was not built; blank if it was, or if the
            installed packages match them.
        failure: Why the model could not be loaded or the process ended early.
        flaws: What its requirements leave open, so that an endpoint may predict differently.
        given: The available answers, by question.
        inputs: What decides the values of each of its inputs, by name (`describe_inputs`).
    """

    environment: str
    untried: str = ""
    failure: str = ""
    flaws: Sequence[str] = ()
    given: Mapping[str, Answer] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def values(self, name: str, rows: int) -> FloatArray:
        """Return an answer's values; NaN for each row if there are none."""
        answer = self.given.get(name)
        if answer is None or answer.values is None:
            return np.full(rows, np.nan)
        return answer.values
