"""Two models on the same rows, figure beside figure; what decides is the comparison alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from numpy.typing import ArrayLike

from .curves import measure_slices
from .kinds import Kind, Metric
from .observations import FloatArray

Side: TypeAlias = Literal["challenger", "champion"]


@dataclass(frozen=True)
class Contrast:
    """A metric of both models.

    Attributes:
        metric: The metric.
        challenger: What the challenger reaches; None where it cannot be measured.
        champion: What the champion reaches; None where it cannot be measured.
    """

    metric: Metric
    challenger: float | None
    champion: float | None

    @property
    def better(self) -> Side | None:
        """Whose figure is better, be it by chance; None where neither is, or one is missing."""
        if self.challenger is None or self.champion is None:
            return None
        match self.metric.better:
            case "higher":
                ahead = self.challenger - self.champion
            case "lower":
                ahead = self.champion - self.challenger
            case "nearer to 0":
                ahead = abs(self.champion) - abs(self.challenger)
            case "neither":
                return None
        if ahead == 0:
            return None
        return "challenger" if ahead > 0 else "champion"


@dataclass(frozen=True)
class SliceContrast:
    """A metric of both models within one value of a column.

    Attributes:
        column: The column.
        value: Its value.
        rows: How many rows have it.
        contrast: The metric there.
    """

    column: str
    value: str
    rows: int
    contrast: Contrast


def contrast_metrics(
    kind: Kind, labels: ArrayLike, challenger: ArrayLike, champion: ArrayLike
) -> list[Contrast]:
    """Return every metric of the kind for both models, in the kind's order.

    Raises:
        UnusableInputError: Labels or predictions that the kind refuses.
    """
    ours, theirs = kind.measure(labels, challenger), kind.measure(labels, champion)
    return [Contrast(metric, ours[name], theirs[name]) for name, metric in kind.metrics.items()]


def contrast_slices(
    labels: FloatArray,
    challenger: FloatArray,
    champion: FloatArray,
    slices: Mapping[str, ArrayLike],
    *,
    metric: Metric,
    min_rows: int,
) -> list[SliceContrast]:
    """Return a metric for both models in every slice of `min_rows` rows or more."""
    ours, theirs = (
        measure_slices(labels, predictions, slices, metric=metric, min_rows=min_rows)
        for predictions in (challenger, champion)
    )
    return [
        SliceContrast(one.column, one.value, one.rows, Contrast(metric, one.figure, other.figure))
        for one, other in zip(ours, theirs, strict=True)
    ]
