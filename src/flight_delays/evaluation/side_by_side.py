"""Metrics of two models on the same rows, for reports only; the gate uses the loss."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from numpy.typing import ArrayLike

from .curves import measure_slices
from .model_types import Metric, ModelType
from .observations import FloatArray

Leader: TypeAlias = Literal["challenger", "champion"]


@dataclass(frozen=True)
class SideBySide:
    """A metric of both models.

    A value is None if it cannot be measured.
    """

    metric: Metric
    challenger: float | None
    champion: float | None

    @property
    def better(self) -> Leader | None:
        """The model with the better value, significant or not; None if equal or missing."""
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
class SliceSideBySide:
    """A metric of both models within one value of a column."""

    column: str
    value: str
    rows: int
    contrast: SideBySide


def compare_metrics(
    model_type: ModelType, labels: ArrayLike, challenger: ArrayLike, champion: ArrayLike
) -> list[SideBySide]:
    """Return every metric of the model type for both models, in the model type's order.

    Raises:
        UnusableInputError: Invalid labels or predictions.
    """
    ours, theirs = model_type.measure(labels, challenger), model_type.measure(labels, champion)
    return [
        SideBySide(metric, ours[name], theirs[name]) for name, metric in model_type.metrics.items()
    ]


def compare_slices(
    labels: FloatArray,
    challenger: FloatArray,
    champion: FloatArray,
    slices: Mapping[str, ArrayLike],
    *,
    metric: Metric,
    min_rows: int,
) -> list[SliceSideBySide]:
    """Return a metric of both models in every slice with at least `min_rows` rows."""
    ours, theirs = (
        measure_slices(labels, predictions, slices, metric=metric, min_rows=min_rows)
        for predictions in (challenger, champion)
    )
    return [
        SliceSideBySide(
            one.column, one.value, one.rows, SideBySide(metric, one.figure, other.figure)
        )
        for one, other in zip(ours, theirs, strict=True)
    ]


Figures = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """A model's figures on the same rows, with features as stale as served and with fresh ones.

    Attributes:
        loss: The loss that models are compared by, the first of the figures.
        greatest_age: Maximum age of looked-up features.
        judged: Figures with features as stale as a request finds them.
        fresh: Figures with features as of the decision.
    """

    loss: str
    unit: str
    greatest_age: timedelta
    judged: Figures
    fresh: Figures

    @property
    def gain(self) -> float:
        """How much lower the loss is with fresh features."""
        return (self.judged[self.loss] or 0.0) - (self.fresh[self.loss] or 0.0)


def measure_figures(
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    model_type: ModelType,
    loss: str,
    metrics: Iterable[str],
) -> Figures:
    """Return the mean loss and some metrics of predictions, by name.

    Raises:
        UnusableInputError: An unknown name, or invalid labels or predictions.
    """
    truth, predicted = model_type.read(labels, predictions)
    mean = model_type.mean_loss(loss, truth, predicted)
    named = {name: model_type.require_metric(name).of(truth, predicted) for name in metrics}
    return {loss: mean} | {name: figure for name, figure in named.items() if name != loss}
