"""What a model would gain by features as fresh as the decision."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from numpy.typing import ArrayLike

from .model_types import ModelType

Figures = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """A model's figures on the same rows, with features as old as served and with fresh ones.

    Attributes:
        loss: The loss that models are compared by; the figures begin with it.
        unit: Its unit.
        greatest_age: How old features can be when they are looked up.
        judged: Figures with features as a request finds them.
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
        UnusableInputError: A name that the model type does not have, or labels or predictions
            that it refuses.
    """
    truth, predicted = model_type.read(labels, predictions)
    mean = float(model_type.require_loss(loss).of(truth, predicted).mean())
    named = {name: model_type.require_metric(name).of(truth, predicted) for name in metrics}
    return {loss: mean} | {name: figure for name, figure in named.items() if name != loss}
