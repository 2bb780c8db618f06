"""The template of `databricks bundle init`: files, questions and messages."""

import json
import posixpath
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from .compilation import Condition, Location, Part
from .engines import Go, write
from .errors import SourceError
from .manifest import Manifest
from .refusals import Refusal, list_clashes
from .sentinel import PROJECT_NAME, Sentinel
from .tokens import If, Value
from .trees import File, Tree

FOLDER = "template"
SCHEMA = "databricks_template_schema.json"
EXTENSION = ".tmpl"
BUNDLE = "databricks.yml"

_PREAMBLE = "__preamble"
_WELCOME = (
    "A project that trains, validates, deploys, serves and scores a model, promoted as code from "
    "dev to staging to prod, and that runs whole on a laptop."
)
_AGAIN = (
    "\nNothing was written. Correct these answers, save them as answers.json and add"
    " --config-file answers.json to the command:\n"
)
_NEXT = (
    f"cd {{{{.{PROJECT_NAME}}}}}",
    "git init --initial-branch {{.default_branch}} && git add --all"
    " && git commit --message 'A new project'",
    "make demo",
)
# For a monorepo: its git repository already exists.
_NEXT_BESIDE = (
    f'git add {{{{.{PROJECT_NAME}}}}}{{{{if eq .ci_platform "github" "all"}}}} .github{{{{end}}}}'
    f" && git commit --message 'Add {{{{.{PROJECT_NAME}}}}}'",
    f"cd {{{{.{PROJECT_NAME}}}}}",
    "make demo",
)


def build_bundle_template(
    parts: tuple[Part, ...], refusals: tuple[Refusal, ...], manifest: Manifest
) -> Tree:
    """Return the files below `template/`.

    Text files get the extension that the CLI renders; it also hides them from linters, dependency
    bots and git.
    """
    preamble = _write_preamble(parts, refusals, manifest)
    tree = {f"{_PREAMBLE}{EXTENSION}": File(preamble.encode())}
    for part in parts:
        for path in map(_write_path, part.locations):
            if isinstance(part.content, bytes):
                tree[path] = File(part.content, part.executable)
            else:
                content = write(part.content, Go()).encode()
                tree[f"{path}{EXTENSION}"] = File(content, part.executable)
    return tree


def build_schema(manifest: Manifest, answers: Mapping[str, str], cli_version: str) -> File:
    """Return the template's schema: the questions, and the messages before and after them."""
    properties: dict[str, Any] = {}
    for name, question in manifest.questions.items():
        default = Sentinel(manifest.sentinel).split(question.default or answers[name])
        properties[name] = {
            "type": "string",
            "description": f"\n{question.description}",
            "default": write(default, Go()),
            "order": len(properties) + 1,
        }
        if manifest.gate and name in manifest.later:
            # The CLI repeats the last line together with the selected choice.
            hint = question.hint or manifest.gate.hint
            properties[name]["description"] = f"\n{hint}\n{question.description}"
            closed = {"properties": {manifest.gate.name: {"const": "no"}}}
            properties[name]["skip_prompt_if"] = closed
        if question.choices:
            properties[name]["enum"] = list(question.choices)
        else:
            properties[name]["pattern"] = f"^(?:{question.pattern})$"
            properties[name]["pattern_match_failure_message"] = (
                f"{name} must be {question.allowed}."
            )
        if manifest.gate and name == manifest.gate.after:
            properties[manifest.gate.name] = {
                "type": "string",
                "description": f"\n{manifest.gate.description}",
                "default": "no",
                "order": len(properties) + 1,
                "enum": ["no", "yes"],
            }
    schema = {
        "welcome_message": _WELCOME,
        "min_databricks_cli_version": f"v{cli_version}",
        "properties": properties,
        "success_message": _write_success(manifest),
    }
    return File((json.dumps(schema, indent=2) + "\n").encode())


def read_cli_version(tree: Tree) -> str:
    """Return the minimum CLI version that the bundle requires.

    Raises:
        SourceError: The bundle states no minimum version.
    """
    found = re.search(r'databricks_cli_version: ">= ([\d.]+)"', tree[BUNDLE].content.decode())
    if found is None:
        advice = 'Write `databricks_cli_version: ">= 1.2.3"` below `bundle`.'
        raise SourceError(BUNDLE, 0, "no oldest version of the CLI", advice)
    return found.group(1)


def _write_success(manifest: Manifest) -> str:
    answers = [
        f"  {name}: {Go().value(Value(name, form))}" for name, form in manifest.forms.items()
    ]
    beside, alone = (
        "\n".join(f"  {command}" for command in commands) for commands in (_NEXT_BESIDE, _NEXT)
    )
    commands = Go().condition(If("monorepo", ("yes",), ()), beside, alone)
    return "\n".join(("\nMade of these answers:", *answers, "\nNext:", commands))


def _write_preamble(
    parts: tuple[Part, ...], refusals: tuple[Refusal, ...], manifest: Manifest
) -> str:
    lines = [f'{{{{skip "{_PREAMBLE}"}}}}', f"{{{{$again := {_write_again(manifest)}}}}}"]
    for refusal in refusals:
        asked = f"(regexp {json.dumps(refusal.pattern)}).MatchString .{refusal.answer}"
        lines.append(_fail_if(asked, refusal.message, refusal.answer))
    for clash in list_clashes(manifest):
        asked = f"eq .{clash.answer} .{clash.other}"
        lines.append(_fail_if(asked, clash.message, clash.answer))
    return "\n".join((*lines, *_write_skips(parts), ""))


def _fail_if(asked: str, message: str, answer: str) -> str:
    fail = f'fail "%s%q.%s" {json.dumps(message)} .{answer} $again'
    return f"{{{{if {asked}}}}}{{{{{fail}}}}}{{{{end}}}}"


def _write_again(manifest: Manifest) -> str:
    """Return an expression that prints the answers as a complete answer file, to edit and rerun."""
    given = dict.fromkeys(manifest.questions, "%q")
    if manifest.gate:
        given[manifest.gate.name] = '"no"'
    listed = ",\n".join(f'  "{name}": {written}' for name, written in given.items())
    # Go's %q gives valid JSON here: patterns exclude characters that the two escape differently.
    text = json.dumps(_AGAIN + "{\n" + listed + "\n}")
    return " ".join(("printf", text, *(f".{name}" for name in manifest.questions)))


def _write_path(location: Location) -> str:
    """Return a file's path relative to the folder that contains the project."""
    return posixpath.normpath(f"{{{{.{PROJECT_NAME}}}}}/{write(location.path, Go())}")


def _write_skips(parts: tuple[Part, ...]) -> list[str]:
    """Return the `skip` statements; folders are listed too, or the CLI creates them empty."""
    alternatives: dict[str, set[tuple[Condition, ...]]] = {}
    for location in (location for part in parts for location in part.locations):
        file = PurePosixPath(_write_path(location))
        for node in (file, *file.parents[:-1]):
            alternatives.setdefault(str(node), set()).add(location.conditions)
    skips: dict[str, list[str]] = {}
    for path, asked in sorted(alternatives.items()):
        above = alternatives.get(posixpath.dirname(path), {()})
        if () not in asked and asked != above:
            skips.setdefault(_ask_any(asked), []).append(f'{{{{skip "{path}"}}}}')
    return [
        f"{{{{if {asked}}}}}{{{{else}}}}{''.join(of)}{{{{end}}}}" for asked, of in skips.items()
    ]


def _ask_any(alternatives: set[tuple[Condition, ...]]) -> str:
    """Return an expression that is true if all conditions of any alternative hold."""
    asked = [
        _join("and", [Go().ask(one.option, one.choices) for one in conditions])
        for conditions in alternatives
    ]
    return _join("or", sorted(asked))


def _join(function: str, questions: list[str]) -> str:
    if len(questions) == 1:
        return questions[0]
    return " ".join((function, *(f"({question})" for question in questions)))
