"""conf/tuning.yml: search space and budget of tuning."""

import difflib
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Self, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from .loading import ROOT_PACKAGE, ConfigurationError, Count, Section, load_configuration

Number = int | float
FILE = "tuning.yml"
MODEL_FILE = f"src/{ROOT_PACKAGE}/conf/model.yml"
Hyperparameters = TypeVar("Hyperparameters", bound=BaseModel)


class Range(Section):
    """The range of a hyperparameter; integers if both ends are.

    Attributes:
        log: Whether to sample on a logarithmic scale.
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
        """Whether only integers are tried."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def round_value(self, value: Number) -> Number:
        """Return a value rounded to three significant digits, within the range."""
        if self.whole:
            return int(value)
        return min(max(float(f"{value:.3g}"), self.low), self.high)


class TuningPolicy(Section):
    """conf/tuning.yml.

    Attributes:
        trials: Maximum number of trials, including the current hyperparameters.
        seconds: Time after which no further trial starts.
        search: Range by hyperparameter; the others keep their value of conf/model.yml.
    """

    trials: int = Field(ge=2)
    seconds: Count
    max_rows: Count
    seed: int = Field(ge=0)
    search: dict[str, Range] = Field(min_length=1)

    def pick(self, suggest: Callable[[str, Range], Number]) -> Mapping[str, Number]:
        """Return a suggested value for each searched hyperparameter."""
        return {
            name: reach.round_value(suggest(name, reach)) for name, reach in self.search.items()
        }


def load_tuning(reviewed: BaseModel) -> TuningPolicy:
    """Return conf/tuning.yml, checked against the hyperparameters of conf/model.yml.

    Raises:
        ConfigurationError: It is invalid, or a range contains invalid values.
    """
    return require_hyperparameters(load_configuration("tuning", TuningPolicy), reviewed)


def require_hyperparameters(policy: TuningPolicy, reviewed: BaseModel) -> TuningPolicy:
    """Return the policy if its ranges are valid and contain the values of conf/model.yml.

    Raises:
        ConfigurationError: An unknown hyperparameter, an invalid range, or a value of
            conf/model.yml outside its range.
    """
    values = reviewed.model_dump()
    for name, reach in policy.search.items():
        if name not in values:
            problem = f"there is no hyperparameter {name}."
            raise ConfigurationError(FILE, problem, f"There are: {', '.join(values)}.")
        for end in (reach.low, reach.high):
            try:
                replace_hyperparameters(reviewed, {name: end})
            except ValidationError as error:
                raise ConfigurationError(
                    FILE, f"{name} may not be {end}: {error}.", "Give another range."
                ) from error
        if not reach.low <= values[name] <= reach.high:
            raise ConfigurationError(
                FILE,
                f"{name} is tried from {reach.low} to {reach.high}; in conf/model.yml it is "
                f"{values[name]}.",
                "Widen the range: the reviewed hyperparameters are the first to be tried.",
            )
    return policy


def replace_hyperparameters(
    reviewed: Hyperparameters, values: Mapping[str, object]
) -> Hyperparameters:
    """Return validated hyperparameters with some values replaced.

    Raises:
        pydantic.ValidationError: A value is invalid.
    """
    return type(reviewed).model_validate({**reviewed.model_dump(), **values})


def write_hyperparameters(text: str, wanted: BaseModel) -> str:
    """Return the text of conf/model.yml with other values, its comments and order kept."""
    # Imported here because only tuning needs it.
    from ruamel.yaml import YAML

    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    current = editor.load(text)
    changed = {
        name: value
        for name, value in wanted.model_dump().items()
        if name not in current or current[name] != value
    }
    if not changed:
        return text
    for name, value in changed.items():
        # PyYAML reads 1e-05 without a decimal point as a string.
        current[name] = editor.load(yaml.safe_dump(value))
    written = StringIO()
    editor.dump(current, written)
    return written.getvalue()


def write_patch(current: str, proposed: str) -> str:
    """Return the change of conf/model.yml as a patch for `git apply`."""
    before, after = (text.splitlines(keepends=True) for text in (current, proposed))
    return "".join(difflib.unified_diff(before, after, f"a/{MODEL_FILE}", f"b/{MODEL_FILE}"))
