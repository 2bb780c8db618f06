"""The bundle's YAML files, read so that every text and key still knows its line."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Self

import yaml

from .errors import BundleError, Position

ROOT_FILE = "databricks.yml"
_SUFFIXES = (".yml", ".yaml", ".json")

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = {"", "~", "null", "Null", "NULL"}
_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


class Text(str):
    """A string that knows the line it was written on."""

    at: Position

    def __new__(cls, value: str, at: Position) -> Self:
        """Make the text."""
        text = super().__new__(cls, value)
        text.at = at
        return text


class Block(dict[str, Any]):
    """A mapping that knows the lines its keys were written on."""

    def __init__(
        self,
        items: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        at: Mapping[str, Position] | None = None,
    ) -> None:
        super().__init__(items)
        self.at = dict(at or {})


def find_root(start: Path) -> Path:
    """Return the nearest directory, upwards from `start`, that holds a `databricks.yml`."""
    start = start.resolve()
    for directory in (start, *start.parents):
        if (directory / ROOT_FILE).is_file():
            return directory
    raise BundleError(
        f"no {ROOT_FILE} in {start} or in any directory above it",
        advice="Go to the bundle's directory, or name it with -C DIR.",
    )


def list_includes(root: Path, entry: Block) -> Iterator[PurePosixPath]:
    """Yield the files that `databricks.yml` includes, each once, in the order the CLI merges."""
    at = entry.at.get("include")
    seen = {PurePosixPath(ROOT_FILE)}
    for pattern in entry.get("include", []):
        if PurePosixPath(pattern).is_absolute():
            raise BundleError("an include must be relative to databricks.yml", got=pattern, at=at)
        found = sorted(
            PurePosixPath(path.relative_to(root).as_posix())
            for path in root.glob(pattern.removeprefix("./").replace("**", "*"))
            if path.is_file()
        )
        if not found and not any(sign in pattern for sign in "*?["):
            raise BundleError("include names a file that does not exist", got=pattern, at=at)
        for name in found:
            if name.suffix not in _SUFFIXES:
                raise BundleError(
                    "include takes YAML and JSON files only", got=name, allowed=_SUFFIXES, at=at
                )
            if name not in seen:
                seen.add(name)
                yield name


def read_document(root: Path, name: PurePosixPath) -> Block:
    """Read one YAML or JSON file below `root`."""
    try:
        node = yaml.compose((root / name).read_text(encoding="utf-8"), Loader=_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        at = Position(name, mark.line + 1 if mark else 1)
        raise BundleError(f"not YAML: {getattr(error, 'problem', error)}", at=at) from error
    document = Block() if node is None else _build(node, name)
    if not isinstance(document, Block):
        raise BundleError("a bundle's file must be a mapping", at=Position(name, 1))
    return document


def _build(node: yaml.Node, file: PurePosixPath) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _build_block(node, file)
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, file) for item in node.value]
    at = Position(file, node.start_mark.line + 1)
    quoted = isinstance(node, yaml.ScalarNode) and node.style
    return Text(node.value, at) if quoted else _read_plain(node.value, at)


def _build_block(node: yaml.MappingNode, file: PurePosixPath) -> Block:
    own, inherited = Block(), Block()
    for key_node, value_node in node.value:
        at = Position(file, key_node.start_mark.line + 1)
        key, value = _build(key_node, file), _build(value_node, file)
        if key_node.tag == "tag:yaml.org,2002:merge":
            for source in value if isinstance(value, list) else [value]:
                if not isinstance(source, Block):
                    raise BundleError("<< merges mappings only", got=source, at=at)
                inherited.update(source)
                inherited.at.update(source.at)
            continue
        if not isinstance(key, str):
            raise BundleError("a key must be text", got=key_node.value, advice="Quote it.", at=at)
        if key in own:
            line = own.at[key].line
            raise BundleError(f"a key is given twice, first in line {line}", got=key, at=at)
        own[str(key)] = value
        own.at[str(key)] = at
    return Block({**inherited, **own}, {**inherited.at, **own.at})


def _read_plain(value: str, at: Position) -> Any:
    """Read an unquoted scalar as YAML 1.2 does: `on`, `no`, `1:30` and dates stay text."""
    if value in _NULLS:
        return None
    if value in _FLAGS:
        return _FLAGS[value]
    if _INTEGER.fullmatch(value):
        return int(value, 0 if value[1:2].isalpha() else 10)
    if _FLOAT.fullmatch(value):
        return float(value)
    return Text(value, at)
