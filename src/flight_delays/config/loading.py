"""Load, validate and digest the files under conf/, which are part of the package."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import UnusableInputError

ROOT_PACKAGE = __name__.partition(".")[0]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
Model = TypeVar("Model", bound=BaseModel)


class Section(BaseModel):
    """A file under conf/ or a section of one: immutable, strict types, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ConfigurationError(Exception):
    """A file under conf/ is missing, unreadable or invalid."""

    def __init__(self, file: str, problem: str, following: str) -> None:
        super().__init__(f"conf/{file}: {problem} {following}")


def read_configuration(name: str, kind: str = "") -> str:
    """Return conf/<name>.yml as text; a message lists the files whose names begin with `kind`.

    Raises:
        ConfigurationError: There is no such file.
    """
    folder = resources.files(ROOT_PACKAGE) / "conf"
    there = {file.name.removesuffix(".yml"): file for file in folder.iterdir()}
    if name not in there:
        alike = ", ".join(sorted(each for each in there if each.startswith(kind)))
        raise ConfigurationError(f"{name}.yml", "there is no such file.", f"Use one of: {alike}.")
    return there[name].read_text(encoding="utf-8")


def load_configuration(
    name: str,
    model: type[Model],
    kind: str = "",
    require: Callable[[Model], Model] = lambda found: found,
) -> Model:
    """Return conf/<name>.yml as `model`; a message lists the files that begin with `kind`.

    Raises:
        ConfigurationError: There is no such file, or it is invalid, or `require` refuses it.
    """
    try:
        return require(model.model_validate(yaml.safe_load(read_configuration(name, kind))))
    except UnusableInputError as error:
        raise ConfigurationError(f"{name}.yml", f"{error}", "Then run again.") from error
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigurationError(
            f"{name}.yml", f"{error}.", f"Allowed at the top: {', '.join(model.model_fields)}."
        ) from error


def require_sources(name: str, named: Iterable[str], sources: Collection[str]) -> None:
    """Check that conf/<name>.yml names only sources of the problem.

    Raises:
        ConfigurationError: It names an unknown source.
    """
    unknown = sorted(set(named) - set(sources))
    if unknown:
        raise ConfigurationError(
            f"{name}.yml",
            f"there is no source {', '.join(unknown)}.",
            f"There are: {', '.join(sources)}.",
        )


def digest_training(policy: str) -> str:
    """Return the SHA-256 of problem/, conf/model.yml and conf/<policy>.yml.

    Two versions with the same digest differ only in training data and library versions.
    """
    digest = hashlib.sha256()
    texts = {f"conf/{name}.yml": read_configuration(name).encode() for name in ("model", policy)}
    for name, content in sorted({**texts, **dict(_read_problem())}.items()):
        for part in (name.encode(), content):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _read_problem() -> Iterator[tuple[str, bytes]]:
    waiting: list[tuple[str, Traversable]] = [
        ("problem", resources.files(ROOT_PACKAGE) / "problem")
    ]
    while waiting:
        name, found = waiting.pop()
        if found.is_file():
            yield name, found.read_bytes()
        elif found.is_dir() and found.name != "__pycache__":
            waiting.extend((f"{name}/{each.name}", each) for each in found.iterdir())
