"""Which hyperparameters are tried when tuning is asked for, and within which budget."""

from collections.abc import Mapping
from typing import Protocol, Self

from pydantic import Field, model_validator

from .policy import Count, Section

Number = int | float


class Suggest(Protocol):
    """Picks a value of a range for a hyperparameter."""

    def __call__(self, name: str, low: Number, high: Number, *, whole: bool, log: bool) -> Number:
        """Picks a value from `low` to `high`."""


class Range(Section):
    """From where to where a hyperparameter is tried; whole numbers where both ends are.

    Attributes:
        low: The lowest value.
        high: The highest value.
        log: Try orders of magnitude alike, not values.
    """

    low: Number
    high: Number
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low}) must be above 0 where log is true")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are tried."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def shorten(self, value: Number) -> Number:
        """Return a value with three digits that count, as a reviewer wants to read it."""
        if self.whole:
            return int(value)
        return min(max(float(f"{value:.3g}"), self.low), self.high)


class TuningPolicy(Section):
    """The budget of tuning and what is searched.

    Attributes:
        trials: Hyperparameters to try at most, the reviewed ones included.
        seconds: After which no further trial begins.
        max_rows: Rows of the training window to use at most.
        seed: Of the search.
        search: A range for each hyperparameter that is tried; the others stay as reviewed.
    """

    trials: int = Field(ge=2)
    seconds: Count
    max_rows: Count
    seed: int = Field(ge=0)
    search: dict[str, Range] = Field(min_length=1)

    def pick(self, suggest: Suggest) -> Mapping[str, Number]:
        """Pick a value for each hyperparameter that is tried."""
        return {
            name: reach.shorten(
                suggest(name, reach.low, reach.high, whole=reach.whole, log=reach.log)
            )
            for name, reach in self.search.items()
        }
