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
    """A figure of one set of predictions.

    Attributes:
        name: Its name in policies, checks and runs.
        better: Which values are better.
        of: Measures labels and predictions; None where these labels do not allow it.
        unit: Its unit; blank where it has none.
        absent: Why it may be None.
    """

    name: str
    better: Better
    of: Callable[[FloatArray, FloatArray], float | None]
    unit: str = ""
    absent: str = ""

    def is_too_good_beyond(self, side: Side) -> bool:
        """Tell whether what lies beyond a bound on this side is too good to be true."""
        return (self.better, side) in (("higher", "max"), ("lower", "min"))


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss of each row; of two models the one with the lower mean is better.

    Attributes:
        name: Its name in policies.
        of: Each row's loss.
        unit: Its unit.
    """

    name: str
    of: Callable[[FloatArray, FloatArray], FloatArray]
    unit: str


class Estimator(Protocol):
    """A model that is fitted once and predicts one double a row."""

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Any:  # noqa: N803
        """Learn from features and labels."""

    def predict(self, X: pd.DataFrame) -> ArrayLike:  # noqa: N803
        """Return one double a row."""


Named = TypeVar("Named", Metric, Loss)


@dataclass(frozen=True, kw_only=True)
class ModelType:
    """A model type.

    Attributes:
        name: Its name.
        labels: The labels there may be; None where any finite number is one.
        lowest: The lowest prediction that is possible.
        highest: The highest prediction that is possible.
        metrics: What predictions are measured by, by name.
        losses: What two models are compared by, by name.
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
            UnusableInputError: There is none of that name; the message names those there are.
        """
        return _require(f"metric of {self.name}", name, self.metrics)

    def require_loss(self, name: str) -> Loss:
        """Return a loss by its name.

        Raises:
            UnusableInputError: There is none of that name; the message names those there are.
        """
        return _require(f"loss of {self.name}", name, self.losses)

    def read(self, labels: ArrayLike, predictions: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return labels and predictions as doubles that can be trusted.

        Raises:
            UnusableInputError: A label or prediction that is missing or impossible, different
                lengths, or no rows.
        """
        truth = as_labels(labels, self.labels)
        return truth, as_predictions(predictions, truth.size, self.lowest, self.highest)

    def clip(self, predictions: ArrayLike) -> FloatArray:
        """Return predictions brought within what is possible; a missing one stays missing."""
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

    def allows(self, prediction: object) -> bool:
        """Tell whether a value, as an endpoint answers it, is a possible prediction."""
        if isinstance(prediction, bool) or not isinstance(prediction, int | float):
            return False
        return math.isfinite(prediction) and self.lowest <= prediction <= self.highest


def regression(unit: str, *, lowest: float = -math.inf, highest: float = math.inf) -> ModelType:
    """Return the model type of a regression.

    Args:
        unit: The label's unit, as it is to stand behind a figure: minutes, EUR.
        lowest: The lowest prediction that is possible, where there is one.
        highest: The highest, where there is one.
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

    Counts and large figures are whole numbers, all others have four significant digits; None is
    "not measured".
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
