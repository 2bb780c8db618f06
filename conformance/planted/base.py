"""Base class of the planted models."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """Data and models that planted models are built from.

    Attributes:
        sound: The Champion's estimator.
        fresh: Creates the same estimator, unfitted.
        training: The Champion's training rows with features and label.
        held_out: The Champion's holdout.
        inputs: The model's input columns.
        label: The label column.
        registered: Full name of the registered model.
        memorised: Returns a model that has memorised the holdout.
    """

    sound: Any
    fresh: Any
    training: pd.DataFrame
    held_out: pd.DataFrame
    inputs: list[str]
    label: str
    registered: str
    memorised: Callable[[], Any]


class Planted:
    """The Champion's model; subclasses add one fault each.

    Instances are pickled with their classes, so that they load without this repository.
    """

    def __init__(self, sound: Any) -> None:
        self.sound = sound

    @classmethod
    def make(cls, bench: Bench) -> Self:
        """Return an instance built from the bench."""
        return cls(bench.sound)

    def ask(self, rows: pd.DataFrame) -> Floats:
        """Return the predictions of the sound model."""
        return np.asarray(self.sound.predict(rows), dtype=np.float64)

    def predict(self, rows: pd.DataFrame) -> Any:
        """Return one double a row."""
        return self.ask(rows)
