"""What the manifest says, and what this repository itself has answered."""

import json
import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from .errors import ManifestError
from .tokens import Form

Rule = Literal["stay", "verbatim", "rendered"]
VERSION = "template_version"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Question(_Strict):
    """One question to whoever makes a project.

    Attributes:
        description: What is asked.
        pattern: What the whole answer must match, in what RE2 and Python have in common.
        allowed: The same in words.
        refused: What must not be found in it all the same; `allowed` says that too.
        reserved: Lists below `scaffold/reserved` of words that it must not be.
        taken: What those words are.
        choices: The only answers there are; the question is then an option.
        default: What is offered; the repository's own answer where it is empty.
        hint: What is said with a question behind the gate.
        form: How the answer is spelled in a project.
    """

    description: str
    pattern: str = ".+"
    allowed: str = ""
    refused: str = ""
    reserved: tuple[str, ...] = ()
    taken: str = ""
    choices: tuple[str, ...] = ()
    default: str = ""
    hint: str = ""
    form: Form = Form.SNAKE


class Gate(_Strict):
    """The question that leads to those after it, by `yes`; no project records it.

    Attributes:
        name: As an answer file names it.
        description: What is asked.
        after: The last question that is always asked.
        hint: What is said with each question behind it that has no hint of its own.
    """

    name: str
    description: str
    after: str
    hint: str


class _Chosen(_Strict):
    """What holds where an option has one of some choices.

    Attributes:
        option: A question with choices.
        choices: Some of them.
    """

    option: str
    choices: tuple[str, ...]


class FileCondition(_Chosen):
    """Whole files that go into a render with some choices only.

    Attributes:
        paths: Files, and folders that end with a slash.
    """

    paths: tuple[str, ...]


class Relocation(_Chosen):
    """Files that are above the project's folder with some choices.

    Attributes:
        paths: Where each is then, from the project's folder, by where it is in the root.
    """

    paths: dict[str, str]


class ChosenText(_Strict):
    """A text that depends on an option; [substitutions] name it as `{its_name}`.

    Attributes:
        option: A question with choices.
        texts: The text of each choice.
    """

    option: str
    texts: dict[str, str]


class Manifest(_Strict):
    """How the root becomes a template.

    Attributes:
        sentinel: The root's own name.
        record: The file that holds the answers.
        overlay: A folder whose files are rendered as if they were in the root; ends with a slash.
        files: Which files go, and how.
        questions: What is asked, by name, in this order.
        gate: The question that leads to the later ones; without it all are asked.
        substitutions: Texts of a file that hold answers, by the file.
        values: Texts that depend on an option, by name.
        apart: Pairs of questions whose answers must differ.
        file_conditions: Files that go with some choices only.
        relocations: Files that are above the project's folder with some choices.
    """

    sentinel: str
    record: str
    overlay: str = ""
    files: dict[Rule, tuple[str, ...]]
    questions: dict[str, Question]
    gate: Gate | None = None
    substitutions: dict[str, tuple[str, ...]] = {}
    values: dict[str, ChosenText] = {}
    apart: tuple[tuple[str, str], ...] = ()
    file_conditions: tuple[FileCondition, ...] = ()
    relocations: tuple[Relocation, ...] = ()

    @property
    def options(self) -> dict[str, tuple[str, ...]]:
        """The choices of each question that has some."""
        return {name: q.choices for name, q in self.questions.items() if q.choices}

    @model_validator(mode="after")
    def _check_choices(self) -> Self:
        for chosen in (*self.file_conditions, *self.relocations):
            offered = self.options.get(chosen.option, ())
            if unknown := [one for one in chosen.choices if one not in offered]:
                what = f"{chosen.option} = {', '.join(unknown)} is no choice"
                raise ValueError(f"{what}; there are {', '.join(offered) or 'none'}")
        return self

    @property
    def forms(self) -> dict[str, Form]:
        """The form of each answer."""
        return {name: question.form for name, question in self.questions.items()}

    @property
    def later(self) -> tuple[str, ...]:
        """The questions that are asked only if the gate is answered by `yes`."""
        names = tuple(self.questions)
        return names[names.index(self.gate.after) + 1 :] if self.gate else ()

    @model_validator(mode="after")
    def _check_gate(self) -> Self:
        if self.gate and (
            self.gate.name in self.questions or self.gate.after not in self.questions
        ):
            raise ValueError("gate needs a name of its own, and a question that it comes after")
        return self

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        for name, value in self.values.items():
            if name in self.questions:
                raise ValueError(f"values.{name} is a question's name; choose another one")
            offered = self.options.get(value.option, ())
            if set(value.texts) != set(offered):
                what = f"values.{name} has texts of {', '.join(value.texts)}"
                raise ValueError(f"{what}; {value.option} is {', '.join(offered) or 'no option'}")
        return self

    @model_validator(mode="after")
    def _check_relocations(self) -> Self:
        moves = [move for relocation in self.relocations for move in relocation.paths.items()]
        for ends in zip(*moves, strict=True):
            if twice := sorted({one for one in ends if ends.count(one) > 1}):
                raise ValueError(f"relocations names {', '.join(twice)} twice")
        for path, target in moves:
            above, *parts = target.split("/")
            if above != ".." or ".." in parts or self.sentinel not in target:
                what = f"relocations puts {path} at {target}"
                why = f"which must start with ../ and hold {self.sentinel}, as no other project's"
                raise ValueError(f"{what}, {why}")
        return self

    def find_rule(self, path: str) -> tuple[Rule, str] | None:
        """Return the longest rule that covers a path, and its text."""
        found = [
            (text, rule)
            for rule, texts in self.files.items()
            for text in texts
            if covers(text, path)
        ]
        if not found:
            return None
        text, rule = max(found, key=lambda one: len(one[0]))
        return rule, text


def covers(rule: str, path: str) -> bool:
    """Return whether a rule is the path, or a folder that holds it."""
    return path == rule or (rule.endswith("/") and path.startswith(rule))


def load_manifest(path: Path) -> Manifest:
    """Read the manifest.

    Raises:
        ManifestError: a key is missing, unknown or of another type.
    """
    try:
        return Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(str(error), "Write it as TOML.") from error
    except ValidationError as error:
        facts = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        )
        raise ManifestError(facts, "See the classes in scaffold/manifest.py.") from error


def load_answers(root: Path, manifest: Manifest) -> dict[str, str]:
    """Read what the repository has answered, the version of the template among it.

    Raises:
        ManifestError: there are answers without a question, or questions without an answer.
    """
    answers: dict[str, str] = json.loads((root / manifest.record).read_text(encoding="utf-8"))
    expected = [VERSION, *manifest.questions]
    if list(answers) != expected:
        what = f"{manifest.record} holds {', '.join(answers)}"
        raise ManifestError(what, f"The questions are {', '.join(expected)}, in this order.")
    if answers["project_name"] != manifest.sentinel:
        what = f"{manifest.record} names the project {answers['project_name']}"
        raise ManifestError(what, f"The sentinel is {manifest.sentinel}.")
    return answers
