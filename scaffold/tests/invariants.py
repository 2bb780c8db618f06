"""Invariants of rendered projects for all answers."""

import json
import re
import tomllib
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import yaml

from scaffold.sentinel import PROJECT_NAME
from scaffold.tests.rendering import Answers, Renderer
from scaffold.tokens import Form
from scaffold.trees import File, Tree

_SENTINEL = re.compile(rb"flight[ _-]?delays", re.IGNORECASE)
_MARKER = re.compile(rb"\[(?:option\b|root\])|__preamble")
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_ILLEGAL = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$')
_WORD = re.compile(r"plain[ _-]\d\d[ _-]word", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$|0o[0-7]+$")


class _Loader(yaml.SafeLoader):
    """A loader that parses numbers of both YAML 1.1 (PyYAML) and 1.2 (the CLI)."""


_Loader.add_implicit_resolver("a number of YAML 1.2", _NUMBER, list("+-.0123456789"))
_Loader.add_constructor("a number of YAML 1.2", lambda _, node: {"a number": node.value})


def list_flaws(tree: Tree, answers: Answers) -> list[str]:
    """Return the violations in the paths and bytes of a project."""
    answered = [form.spell(answer) for answer in answers.values() for form in Form]
    given = [text.encode() for text in answered if _SENTINEL.search(text.encode())]
    folded: set[str] = set()
    flaws: list[str] = []
    for path, file in tree.items():
        parts = path.split("/")
        if any(_ILLEGAL.search(part) or _DEVICE.fullmatch(part) for part in parts):
            flaws.append(f"{path} is no path of Windows")
        if len(path.partition("/")[2]) > 120:
            flaws.append(f"{path} is longer than 120 characters")
        if path.casefold() in folded:
            flaws.append(f"{path} differs from another in case only")
        if b"\r" in file.content and b"\0" not in file.content:
            flaws.append(f"{path} holds a carriage return")
        if _MARKER.search(file.content):
            flaws.append(f"{path} holds a marker")
        if _SENTINEL.search(_remove(file.content, given)):
            flaws.append(f"{path} holds the name of this repository")
        folded.add(path.casefold())
    return flaws


def read_values(path: str, file: File) -> Any:
    """Parse a file of YAML, TOML or JSON, or compile Python; return None for other files.

    Raises:
        Exception: The parser's error.
    """
    return _parse(PurePosixPath(path).suffix, file.content)


class Oracle:
    """Expected parsed content of projects.

    A project is rendered with placeholder words, which are replaced by the answers after parsing.
    This detects answers that a language parses as something else.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._options = tuple(renderer.manifest.options)
        texts = [name for name in renderer.manifest.questions if name not in self._options]
        self._words = {name: f"plain_{number:02}_word" for number, name in enumerate(texts)}
        self._plain: dict[tuple[str, ...], dict[str, Any]] = {}

    def list_differences(self, tree: Tree, answers: Answers) -> list[str]:
        """Return the files with unexpected values, and unexpected or missing files."""
        forms = self._renderer.manifest.forms
        words = {word: forms[name].spell(answers[name]) for name, word in self._words.items()}
        name = self._words[PROJECT_NAME]
        words |= {form.spell(name): form.spell(answers[PROJECT_NAME]) for form in Form}
        expected = _put(self._read_plain(answers), words)
        found = {path: read_values(path, file) for path, file in tree.items()}
        missing = object()
        return [
            path
            for path in sorted(expected.keys() | found.keys())
            if expected.get(path, missing) != found.get(path, missing)
        ]

    def _read_plain(self, answers: Answers) -> dict[str, Any]:
        choices = {option: answers[option] for option in self._options}
        key = tuple(choices.values())
        if key not in self._plain:
            tree = self._renderer.make({**choices, **self._words})
            self._plain[key] = {path: read_values(path, file) for path, file in tree.items()}
        return self._plain[key]


@cache
def _parse(kind: str, content: bytes) -> Any:
    match kind:
        case ".yml" | ".yaml":
            return yaml.load(content, _Loader)
        case ".json":
            return json.loads(content)
        case ".toml":
            return tomllib.loads(content.decode())
        case ".lock":
            # In pieces, because most are the same in every project and thus cached.
            first, *others = content.split(b"\n[[")
            return [_parse(".toml", piece) for piece in (first, *(b"[[" + one for one in others))]
        case ".py":
            compile(content, "rendered", "exec", dont_inherit=True)
    return None


def _remove(content: bytes, texts: list[bytes]) -> bytes:
    for text in texts:
        content = content.replace(text, b"")
    return content


def _put(value: Any, words: dict[str, str]) -> Any:
    match value:
        case str():
            return _WORD.sub(lambda found: words[found.group()], value)
        case dict():
            return {_put(key, words): _put(one, words) for key, one in value.items()}
        case list():
            return [_put(one, words) for one in value]
    return value
