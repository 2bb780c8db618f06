"""Checks of answers beyond their patterns, shared by both engines."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from .manifest import Manifest
from .sentinel import PROJECT_NAME
from .trees import Tree

RESERVED = "scaffold/reserved"
LOCK = "uv.lock"


@dataclass(frozen=True)
class Refusal:
    """A check that rejects answers although they match the question's pattern.

    Attributes:
        answer: Name of the question.
        pattern: Regular expression searched in the answer, the same in RE2 and Python.
        message: Error message up to the invalid answer.
    """

    answer: str
    pattern: str
    message: str

    def applies(self, answers: Mapping[str, str]) -> bool:
        """Return whether the check rejects the answers."""
        return re.search(self.pattern, answers[self.answer]) is not None


@dataclass(frozen=True)
class Clash:
    """A check that the answers to two questions differ.

    Attributes:
        answer: Name of one question.
        other: Name of the other.
    """

    answer: str
    other: str

    @property
    def message(self) -> str:
        """Error message up to the invalid answer."""
        return f"{self.answer} must differ from {self.other}; change one of them; both are "

    def applies(self, answers: Mapping[str, str]) -> bool:
        """Return whether the answers are equal."""
        return answers[self.answer] == answers[self.other]


def list_refusals(tree: Tree, manifest: Manifest) -> tuple[Refusal, ...]:
    """Return the checks that follow from the manifest and the root's files."""
    refusals = []
    for name, question in manifest.questions.items():
        if question.refused:
            message = f"{name} must be {question.allowed}; got "
            refusals.append(Refusal(name, question.refused, message))
        if question.reserved:
            words = set().union(*(read_words(tree, file) for file in question.reserved))
            owned = list_owned(tree, manifest) if name == PROJECT_NAME else set[str]()
            allowed = re.compile(question.pattern)
            listed = "|".join(sorted(filter(allowed.fullmatch, words | owned)))
            message = f"{name} must not be {question.taken}; choose a longer one; got "
            refusals.append(Refusal(name, f"^(?:{listed})$", message))
    return tuple(refusals)


def list_clashes(manifest: Manifest) -> tuple[Clash, ...]:
    """Return the checks of questions whose answers must differ."""
    return tuple(Clash(answer, other) for answer, other in manifest.apart)


def read_words(tree: Tree, file: str) -> set[str]:
    """Return the words of a list below `scaffold/reserved`."""
    lines = tree[f"{RESERVED}/{file}"].content.decode().splitlines()
    return {word for line in lines if not line.startswith("#") for word in line.split()}


def list_owned(tree: Tree, manifest: Manifest) -> set[str]:
    """Return the project names that conflict with names in the project.

    These are the locked distributions, the root's folders and the keys of the bundle's resources,
    which must be unique.
    """
    lock = tomllib.loads(tree[LOCK].content.decode())
    locked = {package["name"].replace("-", "_") for package in lock["package"]}
    folders = {path.partition("/")[0] for path in tree if "/" in path}
    resources = {
        PurePosixPath(path).name.partition(".")[0] for path in tree if path.startswith("resources/")
    }
    return (locked | folders | resources) - {manifest.sentinel}
