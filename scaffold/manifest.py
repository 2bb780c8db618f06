"""The manifest and this repository's own answers."""

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
    """A question of the template.

    Attributes:
        description: Prompt.
        pattern: Regular expression for the whole answer, valid in both RE2 and Python.
        allowed: Description of the allowed answers.
        refused: Regular expression that must not match any part; `allowed` describes it too.
        reserved: Lists of forbidden words below `scaffold/reserved`.
        taken: Description of the forbidden words.
        choices: Allowed answers; a question with choices is an option.
        default: Default answer; if empty, the repository's own answer.
        hint: Text shown with the question if it follows the gate.
        form: Spelling of the answer in a project.
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
    """The question that enables the later ones by `yes`; it is not recorded in projects.

    Attributes:
        name: Key in an answer file.
        description: Prompt.
        after: Last question that is always asked.
        hint: Default hint of the later questions.
    """

    name: str
    description: str
    after: str
    hint: str


class _Chosen(_Strict):
    """Base class of rules that apply if an option has one of these choices.

    Attributes:
        option: Name of a question with choices.
        choices: Choices for which the rule applies.
    """

    option: str
    choices: tuple[str, ...]


class FileCondition(_Chosen):
    """Files that are rendered only for some choices.

    Attributes:
        paths: Files, and folders with a slash at the end.
    """

    paths: tuple[str, ...]


class Relocation(_Chosen):
    """Files that are rendered outside the project's folder for some choices.

    Attributes:
        paths: From the path in the root to the path relative to the project's folder.
    """

    paths: dict[str, str]


class ChosenText(_Strict):
    """A text that depends on an option; [substitutions] refer to it as `{its_name}`.

    Attributes:
        option: Name of a question with choices.
        texts: Text for each choice.
    """

    option: str
    texts: dict[str, str]


class Manifest(_Strict):
    """Rules for compiling the root into a template.

    Attributes:
        sentinel: The root's project name.
        record: File with the answers.
        overlay: Folder whose files replace those of the root in a render; ends with a slash.
        files: Rule for each file or folder.
        questions: Questions by name, in the order of the prompts.
        gate: Question that enables the later ones; without it all are asked.
        substitutions: Texts that contain answers, by file.
        values: Texts that depend on an option, by name.
        apart: Pairs of questions whose answers must differ.
        file_conditions: Files that are rendered only for some choices.
        relocations: Files that are rendered outside the project's folder for some choices.
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
        """The choices of each option."""
        return {name: q.choices for name, q in self.questions.items() if q.choices}

    @model_validator(mode="after")
    def _check_choices(self) -> Self:
        for chosen in (*self.file_conditions, *self.relocations):
            offered = self.options.get(chosen.option, ())
            if unknown := [one for one in chosen.choices if one not in offered]:
                what = f"{chosen.option} = {', '.join(unknown)} is not a choice"
                raise ValueError(f"{what}; there are {', '.join(offered) or 'none'}")
        return self

    @property
    def forms(self) -> dict[str, Form]:
        """The spelling of each answer."""
        return {name: question.form for name, question in self.questions.items()}

    @property
    def later(self) -> tuple[str, ...]:
        """The questions that are asked only if the answer to the gate is `yes`."""
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
        """Return the longest rule that covers a path, and the rule's path."""
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
    """Return whether a rule names the path or one of its parent folders."""
    return path == rule or (rule.endswith("/") and path.startswith(rule))


def load_manifest(path: Path) -> Manifest:
    """Read the manifest.

    Raises:
        ManifestError: A key is missing, unknown or of the wrong type.
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
    """Read the repository's own answers, including the version of the template.

    Raises:
        ManifestError: An answer has no question, or a question has no answer.
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
