"""Model types, with their metrics and losses."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import mean_absolute_error, mean_squared_error, root_mean_squared_error

from ..errors import UnusableInputError
from . import metrics
from .observations import FloatArray, as_labels, as_predictions, as_vector

Better: TypeAlias = Literal["higher", "lower", "nearer to 0", "neither"]
Side: TypeAlias = Literal["min", "max"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of a set of predictions.

    Attributes:
        name: Its name in policies, checks and runs.
        better: Which values are better.
        of: Computes it from labels and predictions; None if it is undefined for these labels.
        unit: Its unit; blank if it has none.
        absent: Why it may be None.
    """

    name: str
    better: Better
    of: Callable[[FloatArray, FloatArray], float | None]
    unit: str = ""
    absent: str = ""

    def is_too_good_beyond(self, side: Side) -> bool:
        """Return whether values beyond a bound on this side are suspiciously good."""
        return (self.better, side) in (("higher", "max"), ("lower", "min"))


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss per row; the model with the lower mean is better.

    Attributes:
        name: Its name in policies.
        of: Computes the loss of each row.
    """

    name: str
    of: Callable[[FloatArray, FloatArray], FloatArray]
    unit: str


class Estimator(Protocol):
    """A model that is fitted once and predicts one double per row."""

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Any:  # noqa: N803
        """Fit to features and labels."""

    def predict(self, X: pd.DataFrame) -> ArrayLike:  # noqa: N803
        """Return one double per row."""


Named = TypeVar("Named", Metric, Loss)


@dataclass(frozen=True, kw_only=True)
class ModelType:
    """A model type.

    Attributes:
        labels: The valid labels; None if any finite number is valid.
        losses: Losses that models are compared by, by name.
    """

    name: str
    labels: frozenset[float] | None
    lowest: float
    highest: float
    metrics: Mapping[str, Metric] = field(repr=False)
    losses: Mapping[str, Loss] = field(repr=False)

    def require_metric(self, name: str) -> Metric:
        """Return a metric by its name.

        Raises:
            UnusableInputError: The name is unknown; the message lists the known ones.
        """
        return _require(f"metric of {self.name}", name, self.metrics)

    def require_loss(self, name: str) -> Loss:
        """Return a loss by its name.

        Raises:
            UnusableInputError: The name is unknown; the message lists the known ones.
        """
        return _require(f"loss of {self.name}", name, self.losses)

    def read(self, labels: ArrayLike, predictions: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return labels and predictions as validated doubles.

        Raises:
            UnusableInputError: A missing or invalid label or prediction, different lengths, or no
                rows.
        """
        truth = as_labels(labels, self.labels)
        return truth, as_predictions(predictions, truth.size, self.lowest, self.highest)

    def clip(self, predictions: ArrayLike) -> FloatArray:
        """Return predictions clipped to the possible range; NaN stays NaN."""
        clipped: FloatArray = np.clip(
            as_vector("predictions", predictions), self.lowest, self.highest
        )
        return clipped

    def measure(self, labels: ArrayLike, predictions: ArrayLike) -> dict[str, float | None]:
        """Return every metric by its name.

        Raises:
            UnusableInputError: As in `read`.
        """
        truth, predicted = self.read(labels, predictions)
        return {name: metric.of(truth, predicted) for name, metric in self.metrics.items()}

    def mean_loss(self, loss: str, labels: ArrayLike, predictions: ArrayLike) -> float:
        """Return the mean of one of the losses.

        Raises:
            UnusableInputError: An unknown loss, or as in `read`.
        """
        return float(self.require_loss(loss).of(*self.read(labels, predictions)).mean())

    def allows(self, prediction: object) -> bool:
        """Return whether a value of an endpoint's response is a valid prediction."""
        if isinstance(prediction, bool) or not isinstance(prediction, int | float):
            return False
        return math.isfinite(prediction) and self.lowest <= prediction <= self.highest


def regression(unit: str, *, lowest: float = -math.inf, highest: float = math.inf) -> ModelType:
    """Return the model type of a regression.

    Args:
        unit: The label's unit, such as minutes or EUR.
        lowest: The lowest possible prediction, if any.
        highest: The highest possible prediction, if any.
    """
    return ModelType(
        name="regression",
        labels=None,
        lowest=lowest,
        highest=highest,
        metrics=_by_name(
            Metric(name="mae", better="lower", of=mean_absolute_error, unit=unit),
            Metric(name="rmse", better="lower", of=root_mean_squared_error, unit=unit),
            Metric(
                name="r2",
                better="higher",
                of=metrics.explained_share,
                absent="the labels are all the same",
            ),
            Metric(name="bias", better="nearer to 0", of=metrics.bias, unit=unit),
        ),
        losses=_by_name(
            Loss(name="squared_error", of=metrics.squared_errors, unit=f"{unit}²"),
            Loss(name="absolute_error", of=metrics.absolute_errors, unit=unit),
        ),
    )


def _require(what: str, name: str, there: Mapping[str, Named]) -> Named:
    if name not in there:
        raise UnusableInputError(
            what,
            got=repr(name),
            allowed=", ".join(there),
            remedy="Name one of these in the policy.",
        )
    return there[name]


def _by_name(*those: Named) -> Mapping[str, Named]:
    return MappingProxyType({each.name: each for each in those})


BINARY_CLASSIFICATION = ModelType(
    name="binary_classification",
    labels=frozenset((0.0, 1.0)),
    lowest=0.0,
    highest=1.0,
    metrics=_by_name(
        Metric(
            name="auc",
            better="higher",
            of=metrics.area_under_curve,
            absent="one class only among the labels",
        ),
        Metric(name="log_loss", better="lower", of=metrics.mean_log_loss, unit="nats"),
        Metric(name="brier", better="lower", of=mean_squared_error),
        Metric(name="calibration_error", better="lower", of=metrics.calibration_error),
        Metric(name="base_rate", better="neither", of=metrics.mean_label),
    ),
    losses=_by_name(
        Loss(name="log_loss", of=metrics.log_losses, unit="nats"),
        Loss(name="squared_error", of=metrics.squared_errors, unit=""),
    ),
)


def format_figure(figure: float | None, unit: str = "") -> str:
    """Return a figure with its unit.

    Integers and figures from 1000 are written as whole numbers, others with four significant
    digits, None as "not measured".
    """
    if figure is None:
        return "not measured"
    if isinstance(figure, int):
        written = f"{figure:,}"
    else:
        written = f"{figure:,.0f}" if 1000 <= abs(figure) < 1e12 else f"{figure:.4g}"
    return f"{written} {unit}".rstrip()


def format_estimate(figure: float, spread: float, unit: str = "") -> str:
    """Return a figure with its spread and unit, rounded to the first digit of the spread."""
    if not math.isfinite(spread) or spread <= 0:
        return format_figure(figure, unit)
    digits = max(0, -math.floor(math.log10(spread)))
    return f"{figure:,.{digits}f} ± {spread:,.{digits}f} {unit}".rstrip()


def format_metrics(metrics: Mapping[str, float], model_type: ModelType) -> str:
    """Return metrics with their units in one line."""
    return ", ".join(
        f"{name} {format_figure(value, model_type.metrics[name].unit)}"
        for name, value in metrics.items()
    )
