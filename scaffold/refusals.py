"""What no answer may be beyond its question's pattern, said once for both engines."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import PurePosixPath

from .manifest import Manifest
from .sentinel import PROJECT_NAME
from .trees import Tree

RESERVED = "scaffold/reserved.txt"
LOCK = "uv.lock"


@dataclass(frozen=True)
class Refusal:
    """Answers to a question that are refused although its pattern allows them.

    Attributes:
        answer: The question.
        pattern: What is refused, found anywhere in the answer; RE2 and Python read it alike.
        message: Why, and what would do; ends before what was got.
    """

    answer: str
    pattern: str
    message: str


def list_refusals(tree: Tree, manifest: Manifest) -> tuple[Refusal, ...]:
    """Returns what is refused, from what the root holds."""
    names = "|".join(sorted(list_reserved(tree, manifest)))
    return (
        Refusal(
            PROJECT_NAME,
            "__",
            f"{PROJECT_NAME} must be {manifest.questions[PROJECT_NAME].allowed}; got ",
        ),
        Refusal(
            PROJECT_NAME,
            f"^(?:{names})$",
            f"{PROJECT_NAME} must not be what Python, SQL, Windows, a library or another part of "
            "the project is called; choose a longer one, such as late_arrivals; got ",
        ),
    )


def list_reserved(tree: Tree, manifest: Manifest) -> set[str]:
    """Returns the names that a project cannot have.

    Those are the words of reserved.txt, every locked distribution, the root's folders, and the
    keys of the bundle's resources, of which no two may be equal.
    """
    lines = tree[RESERVED].content.decode().splitlines()
    words = {word for line in lines if not line.startswith("#") for word in line.split()}
    lock = tomllib.loads(tree[LOCK].content.decode())
    locked = {package["name"].replace("-", "_") for package in lock["package"]}
    folders = {path.partition("/")[0] for path in tree if "/" in path}
    resources = {
        PurePosixPath(path).name.partition(".")[0] for path in tree if path.startswith("resources/")
    }
    allowed = re.compile(manifest.questions[PROJECT_NAME].pattern)
    names = words | locked | folders | resources
    return {name for name in names if allowed.fullmatch(name)} - {manifest.sentinel}
