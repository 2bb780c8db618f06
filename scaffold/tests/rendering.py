"""Render projects in this process, from the tokens of both templates.

Takes a hundredth of a second instead of a third for a program. Used only in tests, which also
check that the bytes are the same.
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scaffold.compilation import Compiler, Part
from scaffold.manifest import Manifest, load_answers, load_manifest
from scaffold.refusals import Refusal, list_clashes, list_refusals
from scaffold.sentinel import PROJECT_NAME, Sentinel
from scaffold.templates import read_source
from scaffold.tokens import If, Text, Tokens, Value
from scaffold.trees import File, Tree

Answers = Mapping[str, str]


class RefusedError(Exception):
    """The answers are invalid."""


@dataclass(frozen=True)
class Renderer:
    """Renderer of a root's projects.

    Attributes:
        manifest: The root's manifest.
        own: The repository's own answers, used as defaults for questions without one.
        parts: Compiled files.
        refusals: Checks of the answers.
    """

    manifest: Manifest
    own: Answers
    parts: tuple[Part, ...]
    refusals: tuple[Refusal, ...]

    def complete(self, given: Answers) -> dict[str, str]:
        """Return an answer to each question, by default its default."""
        sentinel = Sentinel(self.manifest.sentinel)
        answers: dict[str, str] = {}
        for name, question in self.manifest.questions.items():
            default = question.default or self.own[name]
            offered = write(sentinel.split(default), answers)
            answers[name] = given.get(name, offered)
        return answers

    def list_complaints(self, answers: Answers) -> list[tuple[str, ...]]:
        """Return, for each invalid answer, the texts that the error message must contain."""
        complaints: list[tuple[str, ...]] = []
        for name, question in self.manifest.questions.items():
            if question.choices and answers[name] not in question.choices:
                complaints.append((name, *question.choices))
            if not re.fullmatch(question.pattern, answers[name]):
                complaints.append((f"{name} must be {question.allowed}.",))
        complaints += [(one.message,) for one in self.refusals if one.applies(answers)]
        clashes = list_clashes(self.manifest)
        return [*complaints, *((one.message,) for one in clashes if one.applies(answers))]

    def render(self, given: Answers) -> Tree:
        """Render a project and return the files of the output folder.

        Raises:
            RefusedError: An answer is invalid.
        """
        answers = self.complete(given)
        if complaints := self.list_complaints(answers):
            raise RefusedError(complaints)
        return self.make(answers)

    def make(self, answers: Answers) -> Tree:
        """Render a project without checking the answers."""
        placed = ((self.find_location(part, answers), part) for part in self.parts)
        return {path: make_file(part, answers) for path, part in placed if path is not None}

    def find_location(self, part: Part, answers: Answers) -> str | None:
        """Return a file's path in the output folder; None if it is not rendered."""
        for location in part.locations:
            if all(answers[one.option] in one.choices for one in location.conditions):
                path = f"{answers[PROJECT_NAME]}/{write(location.path, answers)}"
                return posixpath.normpath(path)
        return None


def load_renderer(root: Path) -> Renderer:
    """Compile a root and return its renderer."""
    manifest = load_manifest(root / "scaffold" / "manifest.toml")
    answers, tree = load_answers(root, manifest), read_source(root)
    parts = Compiler(manifest, answers).compile(tree)
    return Renderer(manifest, answers, parts, list_refusals(tree, manifest))


def write(tokens: Tokens, answers: Answers) -> str:
    """Return the text of tokens for the given answers."""
    written: list[str] = []
    for token in tokens:
        match token:
            case Text(text):
                written.append(text)
            case Value(answer, form):
                written.append(form.spell(answers[answer]))
            case If(option, choices, then, otherwise):
                written.append(write(then if answers[option] in choices else otherwise, answers))
    return "".join(written)


def make_file(part: Part, answers: Answers) -> File:
    """Return a rendered file."""
    content = part.content
    made = content if isinstance(content, bytes) else write(content, answers).encode()
    return File(made, part.executable)
