"""Reading the reviewed files under conf/, which travel inside the package."""

from importlib import resources
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ..lifecycle import Kind, Policy, UnusableInputError
from .errors import ConfigurationError

ROOT_PACKAGE = __name__.partition(".")[0]
Model = TypeVar("Model", bound=BaseModel)


def read_configuration(name: str) -> str:
    """Reads conf/<name>.yml as text.

    Raises:
        ConfigurationError: There is no such file.
    """
    folder = resources.files(ROOT_PACKAGE) / "conf"
    there = {file.name.removesuffix(".yml"): file for file in folder.iterdir()}
    if name not in there:
        raise ConfigurationError(
            f"{name}.yml", "there is no such file.", f"Use one of: {', '.join(sorted(there))}."
        )
    return there[name].read_text(encoding="utf-8")


def load_configuration(name: str, model: type[Model]) -> Model:
    """Reads conf/<name>.yml as `model`.

    Raises:
        ConfigurationError: There is no such file, or it holds what the model does not allow.
    """
    try:
        return model.model_validate(yaml.safe_load(read_configuration(name)))
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigurationError(
            f"{name}.yml", f"{error}.", f"Allowed at the top: {', '.join(model.model_fields)}."
        ) from error


def load_policy(name: str, kind: Kind) -> Policy:
    """Reads conf/<name>.yml: `policy`, or `policy_small` for a few weeks of data.

    Args:
        name: The file's name, without its ending.
        kind: The kind of outcome that is to be judged by it.

    Raises:
        ConfigurationError: There is no such policy, or it says what is not allowed, as a metric
            that this kind of outcome does not have.
    """
    try:
        return load_configuration(name, Policy).require_kind(kind)
    except UnusableInputError as error:
        raise ConfigurationError(f"{name}.yml", f"{error}", "Then run again.") from error
