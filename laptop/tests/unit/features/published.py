"""Signatures of databricks-feature-engineering, read from its source; nothing of it is run."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from inspect import Parameter
from pathlib import Path
from types import NoneType
from typing import Any

PACKAGE = "databricks.feature_engineering"
CONSTANTS = "databricks.ml_features.constants"
UNREAD = object()
"""A default that is no plain value."""

Shape = list[tuple[str, str, Any]]
"""Name, kind and default of each parameter."""


@dataclass(frozen=True)
class Definition:
    """A class, and the module that it is written in."""

    module: str
    node: ast.ClassDef


@dataclass(frozen=True)
class Source:
    """The package's folder."""

    root: Path

    def modules(self) -> list[str]:
        """Return the modules whose names people import."""
        folder = self.root / "databricks" / "feature_engineering" / "entities"
        entities = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
        return [
            PACKAGE,
            f"{PACKAGE}.client",
            f"{PACKAGE}.training_set",
            f"{PACKAGE}.entities",
            *(f"{PACKAGE}.entities.{name}" for name in entities),
        ]

    def names(self, module: str) -> list[str]:
        """Return what a module offers: `__all__`, or its own public classes."""
        tree = self._parse(module)
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
                # One that stands there is not defined; a table of shorthands is no interface.
                names: list[str] = ast.literal_eval(statement.value)
                return [
                    name
                    for name in names
                    if not isinstance(self.find(module, name), NoneType | ast.Dict)
                ]
        defined = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        return [name for name in defined if not name.startswith("_")]

    def find(self, module: str, name: str) -> Definition | ast.expr | str | None:
        """Follow imports to a class or a value; the name of a module elsewhere ends the search."""
        if not self._path(module).is_file():
            return module
        for statement in self._parse(module).body:
            if isinstance(statement, ast.ClassDef) and statement.name == name:
                return Definition(module, statement)
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
                return statement.value
            if isinstance(statement, ast.ImportFrom) and statement.module:
                for alias in statement.names:
                    if (alias.asname or alias.name) == name:
                        return self.find(statement.module, alias.name)
        return None

    def methods(self, definition: Definition) -> dict[str, Shape]:
        """Return the public methods of a class; those that are properties have no parameters."""
        return {
            node.name: [] if _is_property(node) else self.shape(definition.module, node.args)
            for node in definition.node.body
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        }

    def constructor(self, definition: Definition) -> Shape | None:
        """Return the parameters of a constructor, None where no class in the package has one."""
        for node in definition.node.body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                return self.shape(definition.module, node.args)[1:]
        if any("dataclass" in ast.unparse(mark) for mark in definition.node.decorator_list):
            return [
                (
                    node.target.id,
                    "POSITIONAL_OR_KEYWORD",
                    self._default(definition.module, node.value),
                )
                for node in definition.node.body
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            ]
        for base in definition.node.bases:
            found = self.find(definition.module, ast.unparse(base))
            if isinstance(found, Definition):
                return self.constructor(found)
        return None

    def shape(self, module: str, given: ast.arguments) -> Shape:
        """Return the parameters of a function."""
        positional = [*given.posonlyargs, *given.args]
        missing = len(positional) - len(given.defaults)
        defaults = [*([None] * missing), *given.defaults]
        shape: Shape = [
            (argument.arg, "POSITIONAL_OR_KEYWORD", self._default(module, default))
            for argument, default in zip(positional, defaults, strict=True)
        ]
        shape += [
            (argument.arg, "KEYWORD_ONLY", self._default(module, default))
            for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)
        ]
        if given.kwarg:
            shape.append((given.kwarg.arg, "VAR_KEYWORD", Parameter.empty))
        return shape

    def _default(self, module: str, value: ast.expr | None) -> Any:
        if value is None:
            return Parameter.empty
        try:
            return ast.literal_eval(value)
        except ValueError:
            pass
        if isinstance(value, ast.Dict):
            keys = [self._default(module, key) for key in value.keys]
            values = [self._default(module, item) for item in value.values]
            return dict(zip(keys, values, strict=True))
        found = self.find(module, ast.unparse(value))
        if not isinstance(found, ast.expr):
            return UNREAD
        # A dictionary of constants is made of names of the module that defines it.
        return self._default(CONSTANTS if isinstance(found, ast.Dict) else module, found)

    def _parse(self, module: str) -> ast.Module:
        return _parse(self._path(module))

    def _path(self, module: str) -> Path:
        path = self.root / Path(*module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def classes(source: Source) -> Iterator[tuple[str, str, Definition]]:
    """Yield module, name and definition of every class people import."""
    for module in source.modules():
        for name in source.names(module):
            found = source.find(module, name)
            if isinstance(found, Definition):
                yield module, name, found


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _is_property(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(mark) == "property" for mark in node.decorator_list)
