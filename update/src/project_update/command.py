"""Update a project to another version of its template."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .errors import ProgramError, UpdateError
from .update import Update, update

UPDATED, IN_CONFLICT, REFUSED = 0, 1, 2

EPILOG = (
    "It ends with 0 where the update is committed on a branch of its own, with 1 where git waits "
    "there for conflicts to be resolved, with 2 where nothing was changed."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="update-project", description=__doc__, epilog=EPILOG)
    parser.add_argument("--template", required=True, help="address or path of its repository")
    parser.add_argument("--to", required=True, metavar="TAG", help="version to bring in: v0.2.0")
    parser.add_argument(
        "--answer",
        action="append",
        default=[],
        type=split_answer,
        metavar="NAME=ANSWER",
        help="answer a new question, or change an answer; may be repeated",
    )
    asked = parser.parse_args(arguments)
    template = (
        str(Path(asked.template).resolve()) if Path(asked.template).exists() else asked.template
    )
    try:
        done = update(Path.cwd(), template, asked.to, dict(asked.answer))
    except (UpdateError, ProgramError) as error:
        print(error, file=sys.stderr)
        return REFUSED
    print(describe(done))
    return IN_CONFLICT if done.conflicts else UPDATED


def split_answer(text: str) -> tuple[str, str]:
    """Split a command-line answer, `name=value`.

    Raises:
        argparse.ArgumentTypeError: There is no equals sign.
    """
    name, equals, answer = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"write it as NAME=ANSWER, got: {text}")
    return name, answer


def describe(done: Update) -> str:
    """Return a summary of an update and the next steps."""
    lines = [f"{done.new.name} goes from {done.old.tag} to {done.new.tag} on {done.branch}."]
    for name, answer in done.questions.defaulted.items():
        lines.append(f"New question {name}: took its default, {answer!r}.")
    if done.questions.gone:
        lines.append(f"Asked no more: {', '.join(done.questions.gone)}.")
    if done.conflicts:
        lines += ["", "The project and the template have both changed:"]
        lines += [f"  {path}" for path in done.conflicts]
        lines += [
            "",
            "Next: edit these files, `git add` them and `git cherry-pick --continue`;",
            "`git status` says where you are, `git cherry-pick --abort` takes the update back.",
        ]
    else:
        lines += ["", done.changes, "", "Next: `make lint test`, then open a pull request."]
    lines.append(
        f"If it is deployed, read CHANGELOG.md of the template at {done.new.tag} before you merge: "
        "it has the steps that a deployed project needs."
    )
    return "\n".join(lines)
