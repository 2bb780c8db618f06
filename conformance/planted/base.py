"""The model that every planted one is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """What planted models are made from.

    Attributes:
        sound: The model inside the Champion.
        fresh: Makes the same model, not yet fitted.
        training: The Champion's training rows with their features and label.
        held_out: The rows held out from it.
        inputs: The columns that a model sees.
        label: The column of the label.
        registered: Full name of the registered model.
        memorised: Returns a model that has learned the held-out rows by heart.
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

    Instances are pickled with their classes, so that they load where this repository is not.
    """

    def __init__(self, sound: Any) -> None:
        self.sound = sound

    @classmethod
    def make(cls, bench: Bench) -> Self:
        """Return one, made from what there is."""
        return cls(bench.sound)

    def ask(self, rows: pd.DataFrame) -> Floats:
        """Return the sound predictions."""
        return np.asarray(self.sound.predict(rows), dtype=np.float64)

    def predict(self, rows: pd.DataFrame) -> Any:
        """Return one double a row."""
        return self.ask(rows)
