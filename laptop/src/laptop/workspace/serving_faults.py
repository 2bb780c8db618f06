"""Simulated faults of served entities, read from a file, to test a bad version.

The file is `serving-faults.yml` in the state folder, or the one that `LAPTOP_SERVING_FAULTS` names.
It is reread at each request, so changes take effect at once.
"""

import json
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import ApiError

FILE = "serving-faults.yml"
VARIABLE = "LAPTOP_SERVING_FAULTS"
_Share = Field(default=0.0, ge=0, le=1)


class Fault(BaseModel):
    """Fault of a served entity.

    Attributes:
        delay_ms: Added latency, in milliseconds.
        error_share: Share of requests answered with 500.
        null_share: Share of predictions that are null.
        shift: Number added to each number in the predictions.
        seed: Random seed: the same requests in the same order have the same faults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    delay_ms: float = Field(default=0.0, ge=0)
    error_share: float = _Share
    null_share: float = _Share
    shift: float = 0.0
    seed: int = 0


class Faults:
    """The faults of a workspace's served entities.

    Args:
        file: File with the faults.
        is_named: Whether the file was set explicitly, and so must exist.
    """

    def __init__(self, file: Path, *, is_named: bool = False) -> None:
        self._file = file
        self._is_named = is_named
        self._lock = threading.Lock()
        self._text = ""
        self._faults: dict[str, Fault] = {}
        self._draws: dict[tuple[str, str], tuple[Fault, random.Random]] = {}

    def answer(self, endpoint: str, entity: str, version: str, predict: Callable[[], str]) -> str:
        """Return the response of a served entity, with its faults.

        Args:
            endpoint: The endpoint's identifier.
            entity: The served entity's name.
            version: Version of its model.
            predict: Returns the response without faults.

        Raises:
            ApiError: 500 if the fault is an error, or the file is invalid.
        """
        faults = self.read()
        fault = faults.get(entity) or faults.get(version)
        if fault is None:
            return predict()
        time.sleep(fault.delay_ms / 1000)
        with self._lock:
            draws = self._draws.get((endpoint, entity))
            if draws is None or draws[0] != fault:
                draws = self._draws[endpoint, entity] = fault, random.Random(fault.seed)
            fails = draws[1].random() < fault.error_share
            own = random.Random(draws[1].getrandbits(64))
        if fails:
            text = f"Version {version} answers 500: a fault of served entity '{entity}'."
            raise ApiError(500, "INTERNAL_ERROR", f"{text} See {self._file}.")
        return self._spoil(predict(), fault, own) if fault.null_share or fault.shift else predict()

    def read(self) -> dict[str, Fault]:
        """Return the current faults, by name or version of a served entity.

        Raises:
            ApiError: 500 for a missing or invalid file.
        """
        try:
            text = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            if self._is_named:
                raise self._refuse(f"it is not there. Write it, or unset {VARIABLE}") from None
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise self._refuse(f"it cannot be read: {error}") from error
        with self._lock:
            if text != self._text:
                self._faults = self._parse(text)
                self._text = text
            return self._faults

    def _parse(self, text: str) -> dict[str, Fault]:
        allowed = ", ".join(Fault.model_fields)
        try:
            found = yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise self._refuse(f"it is not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
            raise self._refuse(f"it must have names of served entities, each with {allowed}")
        faults = {}
        for name, given in found.items():
            try:
                faults[str(name)] = Fault.model_validate(given)
            except ValidationError as error:
                wrong = "; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())
                raise self._refuse(f"{name}: {wrong}. Allowed are {allowed}") from error
        return faults

    def _spoil(self, text: str, fault: Fault, own: random.Random) -> str:
        answer = json.loads(text)
        predictions = answer["predictions"]
        shifted = [shift(each, fault.shift) for each in predictions] if fault.shift else predictions
        if fault.shift and shifted == predictions and predictions:
            raise self._refuse("a shift is added to numbers, and the model predicts none")
        answer["predictions"] = [
            None if own.random() < fault.null_share else each for each in shifted
        ]
        return json.dumps(answer)

    def _refuse(self, why: str) -> ApiError:
        return ApiError(500, "INTERNAL_ERROR", f"The faults in {self._file} are unusable: {why}.")


def shift(prediction: Any, by: float) -> Any:
    """Return a prediction with a number added to each number in it."""
    if isinstance(prediction, list):
        return [shift(each, by) for each in prediction]
    if isinstance(prediction, dict):
        return {name: shift(each, by) for name, each in prediction.items()}
    is_number = isinstance(prediction, int | float) and not isinstance(prediction, bool)
    return prediction + by if is_number else prediction
