"""The record of a project: template version and answers."""

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
    """The template version of a project, and its answers."""

    version: str
    answers: Mapping[str, str]

    @property
    def tag(self) -> str:
        """The git tag of the version."""
        return f"v{self.version}"

    @property
    def name(self) -> str:
        """The project's name, also the name of its folder in a render."""
        return self.answers[NAME]


@dataclass(frozen=True)
class Questions:
    """Difference between the questions of two versions.

    Attributes:
        defaulted: New questions with the default that was used as the answer.
        gone: Removed questions.
    """

    defaulted: Mapping[str, str]
    gone: tuple[str, ...]


def read_record(folder: Path) -> Record:
    """Read the record of a project.

    Raises:
        UpdateError: There is no record, or it is invalid.
    """
    path = folder / FILE
    advice = f"The template writes {FILE} at a project's root; run the command there."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UpdateError(f"{folder} holds no {FILE}.", advice) from error
    except ValueError as error:
        raise UpdateError(f"{path} is not JSON: {error}.", advice) from error
    if not isinstance(content, dict) or not all(isinstance(one, str) for one in content.values()):
        raise UpdateError(f"{path} is not an object of texts.", advice)
    if missing := [key for key in (VERSION, NAME) if not content.get(key)]:
        raise UpdateError(f"{path} does not say {' and '.join(missing)}.", advice)
    version = content.pop(VERSION)
    return Record(version, content)


def compare_questions(old: Record, new: Record, given: Mapping[str, str]) -> Questions:
    """Compare the questions of two versions."""
    return Questions(
        defaulted={
            name: answer
            for name, answer in new.answers.items()
            if name not in old.answers and name not in given
        },
        gone=tuple(name for name in old.answers if name not in new.answers),
    )
