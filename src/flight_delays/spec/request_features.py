"""On-demand features: typed Python functions that become Unity Catalog functions.

Training, batch inference, serving and unit tests use the same function body. It runs where this
project is not installed, so it may use only its parameters, built-in names and its own imports.
"""

import ast
import builtins
import dis
import hashlib
import inspect
import textwrap
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import CodeType
from typing import Any

from ..errors import DeclarationError
from .column_rules import quote

SQL_TYPES = {float: "DOUBLE", int: "BIGINT", str: "STRING", bool: "BOOLEAN", datetime: "TIMESTAMP"}
# Types of features.
RESULTS = (float, str)
# End of the comment of each function that the features task has created.
MADE_HERE = "Made by feature_refresh."


@dataclass(frozen=True, kw_only=True)
class RequestFeature:
    """A feature computed on demand from a row and its other features.

    Attributes:
        function: The function. Parameters are annotated with `float`, `int`, `str`, `bool` or
            `datetime`, optionally `| None`; the result with `float` or `str`. A missing value is
            None in training and batch inference, and None, NaN or NaT in an endpoint; the function
            must treat them alike. An instant is naive or in UTC. Imports must be in the body.
        inputs: Column or feature by parameter, if the names differ.
        name: The feature's name; by default the function's.
    """

    function: Callable[..., Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    @property
    def output(self) -> str:
        """The feature's name."""
        return self.name or self.function.__name__

    @cached_property
    def bindings(self) -> Mapping[str, str]:
        """The column or feature of each parameter, in order."""
        return {name: self.inputs.get(name, name) for name in self.parameters}

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The SQL type of each parameter."""
        return {name: SQL_TYPES[kind] for name, kind in self._hints.items() if name != "return"}

    @property
    def sql_type(self) -> str:
        """The SQL type of the result."""
        return SQL_TYPES[self._hints["return"]]

    @cached_property
    def body(self) -> str:
        """The source of the function's body, without its docstring."""
        source = textwrap.dedent(inspect.getsource(self.function))
        (tree,) = ast.parse(source).body
        assert isinstance(tree, ast.FunctionDef)
        first = tree.body[min(ast.get_docstring(tree) is not None, len(tree.body) - 1)]
        lines = source.splitlines()[first.lineno - 1 :]
        # The body may start on the line of the `def`.
        lines[0] = " " * first.col_offset + lines[0][first.col_offset :]
        return textwrap.dedent("\n".join(lines)).strip()

    @cached_property
    def catalog_name(self) -> str:
        """The function's name within the schema.

        It ends with a digest of types and body, so that versions trained with an earlier function
        keep using it.
        """
        said = (list(self.parameters.items()), self.sql_type, self.body)
        digest = hashlib.sha256(repr(said).encode()).hexdigest()
        return f"{self.function.__name__}_{digest[:8]}".lower()

    def write_sql(self, name: str) -> str:
        """Return the statement that creates the function."""
        parameters = ", ".join(f"`{each}` {kind}" for each, kind in self.parameters.items())
        described = (inspect.getdoc(self.function) or "").partition("\n")[0]
        return (
            f"CREATE OR REPLACE FUNCTION {name}({parameters})\nRETURNS {self.sql_type}\n"
            f"LANGUAGE PYTHON\nDETERMINISTIC\nCOMMENT {quote(f'{described} {MADE_HERE}'.strip())}\n"
            f"AS $$\n{self.body}\n$$"
        )

    def load(self) -> Callable[..., Any]:
        """Return the function as an endpoint runs it: only its body, in an empty scope."""
        scope: dict[str, Any] = {}
        body = textwrap.indent(self.body, " " * 4)
        exec(f"def entry({', '.join(self.parameters)}):\n{body}\n", scope)
        loaded: Callable[..., Any] = scope["entry"]
        return loaded

    def check(self, known: Mapping[str, str]) -> None:
        """Validate the function; `known` has the SQL types of columns and features before it.

        Raises:
            DeclarationError: It is invalid.
        """
        what = f"RequestFeature {self.output}"
        self._check_signature(what)
        foreign = sorted(_find_globals(self.load().__code__))
        if foreign or "$$" in self.body:
            raise DeclarationError(
                f"{what}, function",
                got=", ".join(foreign) or "$$",
                allowed="parameters, built-in names, and what the body imports",
                remedy="It runs where this project is not installed: import within the body.",
            )
        unknown = sorted(set(self.inputs) - set(self.parameters))
        missing = unknown or sorted(set(self.bindings.values()) - set(known))
        if missing:
            raise DeclarationError(
                f"{what}, inputs",
                got=", ".join(missing),
                allowed=f"parameters {', '.join(self.parameters)}; columns of the spine and "
                f"features declared before: {', '.join(known)}",
                remedy="Correct the name, or name in `inputs` what the parameter is given.",
            )
        for parameter, column in self.bindings.items():
            if known[column].upper() != self.parameters[parameter]:
                raise DeclarationError(
                    f"{what}, parameter {parameter}",
                    got=f"{self.parameters[parameter]}",
                    allowed=f"{known[column]}, the type of {column}",
                    remedy="Arguments are not cast: annotate the parameter with this type.",
                )

    def _check_signature(self, what: str) -> None:
        found = inspect.signature(self.function).parameters.values()
        plain = all(
            each.kind is each.POSITIONAL_OR_KEYWORD and each.default is each.empty for each in found
        )
        kinds = [self._hints.get(name) for name in (*(each.name for each in found), "return")]
        if not plain or any(kind not in SQL_TYPES for kind in kinds) or kinds[-1] not in RESULTS:
            raise DeclarationError(
                f"{what}, function",
                got=f"{self.function.__name__}{inspect.signature(self.function)}",
                allowed="parameters without defaults, of the types "
                f"{', '.join(kind.__name__ for kind in SQL_TYPES)}; a result of float or str",
                remedy="Annotate each parameter and the result.",
            )

    @cached_property
    def _hints(self) -> Mapping[str, Any]:
        hints = typing.get_type_hints(self.function)
        return {name: _without_none(kind) for name, kind in hints.items()}


def check_all(features: Iterable[RequestFeature], known: Mapping[str, str]) -> None:
    """Validate functions in order; `known` has the SQL types of columns and looked-up features.

    Raises:
        DeclarationError: One is invalid.
    """
    known = dict(known)
    for feature in features:
        feature.check(known)
        known[feature.output] = feature.sql_type


def _without_none(kind: Any) -> Any:
    kinds = typing.get_args(kind)
    (rest, *more) = [each for each in kinds if each is not type(None)] or [kind]
    return rest if type(None) in kinds and not more else kind


def _find_globals(code: CodeType) -> Iterator[str]:
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and not hasattr(builtins, step.argval):
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _find_globals(constant)
