"""What tuning may try, held against the hyperparameters it may change, and what it proposes."""

import re
from collections.abc import Mapping
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ..lifecycle import TuningPolicy
from .configuration import ROOT_PACKAGE, load_configuration
from .errors import ConfigurationError

FILE = "tuning.yml"
MODEL_FILE = f"src/{ROOT_PACKAGE}/conf/model.yml"
Hyperparameters = TypeVar("Hyperparameters", bound=BaseModel)


def load_tuning(reviewed: BaseModel) -> TuningPolicy:
    """Reads conf/tuning.yml.

    Args:
        reviewed: The hyperparameters of conf/model.yml, which are tried first.

    Raises:
        ConfigurationError: It is not sound, or tries what the hyperparameters do not allow.
    """
    return require_hyperparameters(load_configuration("tuning", TuningPolicy), reviewed)


def require_hyperparameters(policy: TuningPolicy, reviewed: BaseModel) -> TuningPolicy:
    """Returns the policy if all that it tries are hyperparameters, around the reviewed ones.

    Raises:
        ConfigurationError: A range of what is no hyperparameter, that reaches beyond what is
            allowed, or that the reviewed value lies outside of.
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
    """Returns hyperparameters with some values replaced, checked like those of a file.

    Raises:
        pydantic.ValidationError: They are not allowed.
    """
    return type(reviewed).model_validate({**reviewed.model_dump(), **values})


def write_hyperparameters(text: str, wanted: BaseModel) -> str:
    """Returns the text of conf/model.yml with other values, its comments and order kept.

    Raises:
        ConfigurationError: The file's form does not let a value be replaced in its line.
    """
    standing = yaml.safe_load(text)
    for name, value in wanted.model_dump().items():
        if name not in standing or standing[name] != value:
            written = yaml.safe_dump(value).partition("\n")[0]
            line = rf"^({re.escape(name)}:[ ]*)[^\s#]+"
            text = re.sub(line, rf"\g<1>{written}", text, flags=re.MULTILINE)
    if type(wanted).model_validate(yaml.safe_load(text)) != wanted:
        raise ConfigurationError(
            "model.yml",
            "a hyperparameter has no line of its own as `name: value`.",
            f"Write in by hand: {wanted}.",
        )
    return text
