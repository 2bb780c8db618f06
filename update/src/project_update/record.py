"""What a project says of how it was made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import UpdateError

FILE = ".template-answers.json"
VERSION = "template_version"
NAME = "project_name"


@dataclass(frozen=True)
class Record:
    """The version of the template that a project is at, and the answers it was made of."""

    version: str
    answers: Mapping[str, str]

    @property
    def tag(self) -> str:
        """The version as the template's repository names it."""
        return f"v{self.version}"

    @property
    def name(self) -> str:
        """The project's name, which is also its folder's in a new render."""
        return self.answers[NAME]


@dataclass(frozen=True)
class Questions:
    """How the questions of two versions differ.

    Attributes:
        defaulted: What was not asked before, with the default that was taken for an answer.
        gone: What is asked no more.
    """

    defaulted: Mapping[str, str]
    gone: tuple[str, ...]


def read_record(folder: Path) -> Record:
    """Read the record of a project.

    Raises:
        UpdateError: there is none, or it is not one that the template writes.
    """
    path = folder / FILE
    advice = f"The template writes {FILE} at a project's root; run the command there."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UpdateError(f"{folder} holds no {FILE}.", advice) from error
    except ValueError as error:
        raise UpdateError(f"{path} is no JSON: {error}.", advice) from error
    if not isinstance(content, dict) or not all(isinstance(one, str) for one in content.values()):
        raise UpdateError(f"{path} is not an object of texts.", advice)
    if missing := [key for key in (VERSION, NAME) if not content.get(key)]:
        raise UpdateError(f"{path} does not say {' and '.join(missing)}.", advice)
    version = content.pop(VERSION)
    return Record(version, content)


def compare_questions(old: Record, new: Record, given: Mapping[str, str]) -> Questions:
    """Compare what two versions ask."""
    return Questions(
        defaulted={
            name: answer
            for name, answer in new.answers.items()
            if name not in old.answers and name not in given
        },
        gone=tuple(name for name in old.answers if name not in new.answers),
    )
