"""What a model is asked before any figure, and what it answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..evaluation.observations import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """Rows to predict.

    Attributes:
        name: Its name.
        rows: The model's inputs.
        take: Which of the rows, by position, and which of these at once; None for all at once.
        as_json: Whether they come as in a request to an endpoint.
        timed: Whether nothing more is asked where this takes too long.
    """

    name: str
    rows: pd.DataFrame
    take: Sequence[Sequence[int]] | None = None
    as_json: bool = False
    timed: bool = False

    @property
    def size(self) -> int:
        """How many rows are asked about."""
        return len(self.rows) if self.take is None else sum(map(len, self.take))


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What came back.

    Attributes:
        values: One double a row; None where it was anything else.
        form: Type, element type and shape of what came back.
        expected: The shape that was expected, where it was another.
        error: Why nothing came back.
        altered: Whether the model changed the rows that it was given.
        seconds: How long it took.
    """

    values: FloatArray | None = None
    form: str = ""
    expected: str = ""
    error: str = ""
    altered: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """All that a version answered in a process of its own.

    Attributes:
        environment: What it was loaded in, in words.
        untried: Why it was not loaded in an environment of its own requirements; blank where it
            was, or where what is installed is what it requires.
        failure: Why it could not be loaded, or ended before the last answer.
        given: The answers there are, by question.
    """

    environment: str
    untried: str = ""
    failure: str = ""
    given: Mapping[str, Answer] = field(default_factory=dict)

    def values(self, name: str, rows: int) -> FloatArray:
        """Return an answer's values, or NaN for each row where it has none."""
        answer = self.given.get(name)
        if answer is None or answer.values is None:
            return np.full(rows, np.nan)
        return answer.values
