"""Parser of the bundle's YAML files; strings and keys keep their line numbers."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Self

import yaml

from .errors import BundleError, Position

ROOT_FILES = ("databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml")
_SUFFIXES = (".yml", ".yaml", ".json")

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = {"", "~", "null", "Null", "NULL"}
_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


class Text(str):
    """A string with its position in a file."""

    at: Position

    def __new__(cls, value: str, at: Position) -> Self:
        """Create the string."""
        text = super().__new__(cls, value)
        text.at = at
        return text


class Block(dict[str, Any]):
    """A mapping with the positions of its keys and the keys whose values are YAML anchors."""

    def __init__(
        self,
        items: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        at: Mapping[str, Position] | None = None,
        anchors: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(items)
        self.at = dict(at or {})
        self.anchors = anchors


def find_root(start: Path) -> Path:
    """Return the nearest directory with a bundle file, from `start` upwards."""
    start = start.resolve()
    for directory in (start, *start.parents):
        if any((directory / name).is_file() for name in ROOT_FILES):
            return directory
    raise BundleError(
        f"no {ROOT_FILES[0]} in {start} or in any directory above it",
        advice="Go to the bundle's directory, or name it with -C DIR.",
    )


def find_root_file(root: Path) -> PurePosixPath:
    """Return the name of the bundle file in `root`."""
    found = [name for name in ROOT_FILES if (root / name).is_file()]
    if len(found) != 1:
        raise BundleError(
            f"a bundle has one file of its own in {root}",
            got=" and ".join(found) or "none",
            allowed=ROOT_FILES,
            advice="Keep one of them." if found else "",
        )
    return PurePosixPath(found[0])


def list_includes(root: Path, entry: Block) -> Iterator[PurePosixPath]:
    """Yield the included files without duplicates, in the merge order of the CLI."""
    at = entry.at.get("include")
    seen = set(map(PurePosixPath, ROOT_FILES))
    for pattern in entry.get("include") or []:
        if PurePosixPath(pattern).is_absolute():
            raise BundleError("an include must be relative to the bundle", got=pattern, at=at)
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
        text = (root / name).read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        at = Position(name, mark.line + 1 if mark else 1)
        raise BundleError(f"not YAML: {getattr(error, 'problem', error)}", at=at) from error
    document = Block() if node is None else _build(node, name, text)
    if not isinstance(document, Block):
        raise BundleError("a bundle's file must be a mapping", at=Position(name, 1))
    return document


def _build(node: yaml.Node, file: PurePosixPath, text: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _build_block(node, file, text)
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, file, text) for item in node.value]
    at = Position(file, node.start_mark.line + 1)
    quoted = isinstance(node, yaml.ScalarNode) and node.style
    return Text(node.value, at) if quoted else _read_plain(node.value, at)


def _holds_anchors(node: yaml.Node, text: str) -> bool:
    """Return whether a value, or each item of a list or mapping, is a YAML anchor."""
    if text.startswith("&", node.start_mark.index):
        return True
    items = [] if isinstance(node, yaml.ScalarNode) else node.value
    if isinstance(node, yaml.MappingNode):
        items = [value for _, value in items]
    return bool(items) and all(_holds_anchors(item, text) for item in items)


def _build_block(node: yaml.MappingNode, file: PurePosixPath, text: str) -> Block:
    own, inherited = Block(), Block()
    anchors = set()
    for key_node, value_node in node.value:
        at = Position(file, key_node.start_mark.line + 1)
        key, value = _build(key_node, file, text), _build(value_node, file, text)
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
        anchors.update([str(key)] if _holds_anchors(value_node, text) else [])
    return Block({**inherited, **own}, {**inherited.at, **own.at}, frozenset(anchors))


def _read_plain(value: str, at: Position) -> Any:
    """Parse an unquoted scalar as in YAML 1.2: `on`, `no`, `1:30` and dates stay text."""
    if value in _NULLS:
        return None
    if value in _FLAGS:
        return _FLAGS[value]
    if _INTEGER.fullmatch(value):
        return int(value, 0 if value[1:2].isalpha() else 10)
    if _FLOAT.fullmatch(value):
        return float(value)
    return Text(value, at)
