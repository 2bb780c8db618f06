"""Features computed on demand by Python functions of the catalog.

As on Databricks, batch and endpoint differ. In batch a missing value is None and results are
cast to the declared type. The client in an endpoint passes the values of the row, where a
missing number of the request is NaN, and does not cast the result.
"""

import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound

from .errors import FeatureError
from .types import arrow_type, simple_name

PYTHON = "Python"
_ENTRY = "_udf_handler_func_entry"


class FeatureFunction:
    """A function of the catalog that computes a feature.

    Args:
        udf_name: Full name, `catalog.schema.function`; the catalog stores it in lower case.
        input_bindings: Column of the DataFrame, or feature, by parameter of the function.
        output_name: Name of the feature; the function's full name if None.
    """

    def __init__(
        self,
        *,
        udf_name: str,
        input_bindings: dict[str, str] | None = None,
        output_name: str | None = None,
    ) -> None:
        self.udf_name = udf_name.lower()
        self.input_bindings: dict[str, str] = input_bindings or {}
        self.output_name = output_name

    @property
    def column(self) -> str:
        """The output column."""
        return self.output_name or self.udf_name


@dataclass(frozen=True)
class Function:
    """The catalog's metadata of a function.

    Attributes:
        name: Full name.
        parameters: Spark simple type name by parameter, in declaration order.
        returns: Spark simple type name of the result.
        definition: Body in Python.
        language: `Python`; functions in other languages cannot run.
    """

    name: str
    parameters: Mapping[str, str]
    returns: str
    definition: str
    language: str = PYTHON

    @classmethod
    def read(cls, info: Mapping[str, Any]) -> "Function":
        """Create a function from the catalog's response."""
        given = (info.get("input_params") or {}).get("parameters") or []
        return cls(
            name=info["full_name"],
            parameters={each["name"]: simple_name(each["type_text"]) for each in given},
            returns=simple_name(info["full_data_type"]),
            definition=info.get("routine_definition") or "",
            language=info.get("external_language") or "SQL",
        )

    def load(self) -> Callable[..., Any]:
        """Compile the function in a new namespace.

        Raises:
            FeatureError: The body is not valid Python.
        """
        body = textwrap.indent(self.definition, " " * 4, lambda _: True)
        scope: dict[str, Any] = {}
        try:
            exec(f"def {_ENTRY}({', '.join(self.parameters)}):\n{body}\n", scope)
        except SyntaxError as error:
            raise FeatureError(
                f"The body of function {self.name} is not valid Python: {error}. Correct it with "
                "CREATE OR REPLACE FUNCTION."
            ) from error
        loaded: Callable[..., Any] = scope[_ENTRY]
        return loaded

    def evaluate(self, arguments: Mapping[str, pa.ChunkedArray], rows: int) -> pa.Array:
        """Return the function's result for each row, as in batch scoring and training.

        Args:
            arguments: Column by parameter.
            rows: Number of rows.

        Raises:
            FeatureError: The function fails, or a result does not fit the declared type.
        """
        call = self.load()
        columns = [_plain(arguments[name]) for name in self.parameters]
        try:
            given = zip(*columns, strict=True) if columns else [()] * rows
            results = [call(*row) for row in given]
        except Exception as error:
            raise FeatureError(
                f"Function {self.name} failed: {type(error).__name__}: {error}. A missing value is "
                "None in batch, and None or NaN in an endpoint: the body must expect all of them."
            ) from error
        kind = arrow_type(self.returns)
        try:
            try:
                return pa.Array.from_pandas(pd.Series(results), type=kind)
            except (pa.ArrowTypeError, pa.ArrowInvalid):
                return pa.Array.from_pandas(pd.Series(results)).cast(kind)
        except pa.ArrowException as error:
            raise FeatureError(
                f"Function {self.name} RETURNS {self.returns.upper()}, and gave what cannot be "
                f"cast to it: {error}. Correct the body or the declared type."
            ) from error


def describe_functions(workspace: WorkspaceClient, names: Iterable[str]) -> dict[str, Function]:
    """Return the metadata of functions by full name.

    Raises:
        FeatureError: A name does not have three levels, or the function does not exist.
    """
    found = {}
    for name in names:
        if len([part for part in name.split(".") if part]) != 3:
            raise FeatureError(
                f"A function must be named catalog.schema.function, got: {name}. Give all three."
            )
        try:
            found[name] = Function.read(workspace.functions.get(name).as_dict())
        except NotFound as error:
            raise FeatureError(
                f"Function {name} does not exist. {error} Make it with CREATE FUNCTION."
            ) from error
    return found


def check_arguments(function: Function, bindings: Mapping[str, str]) -> None:
    """Check that bindings name exactly the parameters of a Python function.

    Raises:
        FeatureError: They do not, or the function is not in Python.
    """
    if function.language != PYTHON:
        raise FeatureError(
            f"Function {function.name} is in {function.language}. A FeatureFunction takes one in "
            "Python."
        )
    if set(bindings) != set(function.parameters):
        raise FeatureError(
            f"Function {function.name} has the parameters {list(function.parameters)}, and "
            f"input_bindings names {list(bindings)}. Bind each parameter to a column."
        )


def check_argument_types(
    function: Function, bindings: Mapping[str, str], known: Mapping[str, str]
) -> None:
    """Check that columns have the types of a function's parameters; there are no casts.

    Args:
        function: The function.
        bindings: Column by parameter.
        known: Spark simple type name by column.

    Raises:
        FeatureError: Types differ.
    """
    for parameter, column in bindings.items():
        wanted = function.parameters[parameter]
        if column in known and known[column] != wanted:
            raise FeatureError(
                f"Parameter {parameter} of function {function.name} is {wanted}; column {column} "
                f"it is bound to is {known[column]}. Cast the column, or declare the parameter so."
            )


def _plain(column: pa.ChunkedArray) -> list[Any]:
    """Return values as SQL passes them to Python functions: timestamps are naive, in UTC."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us"))
    values: list[Any] = column.to_pylist()
    return values
