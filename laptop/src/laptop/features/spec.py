"""The feature specification: a model's input columns and their sources."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from .errors import FeatureError

SPEC_FILE = "feature_spec.yaml"
MODEL_DATA = Path("data") / "feature_store"
RAW_MODEL = "raw_model"

_SERIALIZATION_VERSION = 11
_TRAINING_DATA = "training_data"
_FEATURE_STORE = "feature_store"
_ON_DEMAND = "on_demand_feature"


@dataclass(frozen=True)
class SourceColumn:
    """A column of the request or spine.

    Attributes:
        name: Name of the column.
        data_type: Spark simple type name, `bigint` for instance.
        include: Whether it is an input of the model; False for columns used only as keys.
    """

    name: str
    data_type: str
    include: bool = True


@dataclass(frozen=True)
class FeatureColumn:
    """A column looked up in a feature table.

    Attributes:
        name: Output column, after renaming.
        default_value: Replacement for nulls, as text; None to keep them.
    """

    name: str
    data_type: str
    table_name: str
    feature_name: str
    lookup_key: tuple[str, ...]
    timestamp_lookup_key: str | None = None
    default_value: str | None = None
    include: bool = True

    @property
    def default(self) -> bool | int | float | str | None:
        """The default as a value of the column's type, or None."""
        if self.default_value is None:
            return None
        parse = _DEFAULTS.get(self.data_type)
        try:
            if parse is None:
                raise ValueError(f"a {self.data_type} takes no default")
            return parse(self.default_value)
        except ValueError as error:
            raise FeatureError(
                f"Feature {self.name} cannot have the default {self.default_value!r}: {error}. "
                f"Types that take one: {', '.join(_DEFAULTS)}."
            ) from error


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("neither true nor false")
    return text.lower() == "true"


_DEFAULTS: Mapping[str, Callable[[str], bool | int | float | str]] = {
    "smallint": int,
    "int": int,
    "bigint": int,
    "float": float,
    "double": float,
    "boolean": _boolean,
    "string": str,
}


@dataclass(frozen=True)
class FunctionColumn:
    """A column computed by a function of the catalog.

    Attributes:
        name: Output column.
        data_type: Spark simple type name of the result.
        udf_name: The function's full name.
        input_bindings: Pairs of parameter and column.
    """

    name: str
    data_type: str
    udf_name: str
    input_bindings: tuple[tuple[str, str], ...]
    include: bool = True

    @property
    def keys(self) -> tuple[str, ...]:
        """The input columns of the function."""
        return tuple(column for _, column in self.input_bindings)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The output column of the function."""
        return (self.name,)


@dataclass(frozen=True)
class InputTable:
    """A feature table in the specification.

    Attributes:
        lookback_window: Greatest age of a row at look-up, in seconds.
    """

    name: str
    table_id: str | None = None
    lookback_window: float | None = None


@dataclass(frozen=True)
class Lookup:
    """All features of one join with one table.

    Attributes:
        features: Output name by feature name, in the order of the specification.
        lookback_window: Greatest age of a row, in seconds; None for no limit.
    """

    table_name: str
    lookup_key: tuple[str, ...]
    timestamp_lookup_key: str | None
    lookback_window: float | None
    features: tuple[tuple[str, str], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the spine that the lookup requires."""
        time = (self.timestamp_lookup_key,) if self.timestamp_lookup_key else ()
        return self.lookup_key + time

    @property
    def outputs(self) -> tuple[str, ...]:
        """The output columns of the lookup."""
        return tuple(output for _, output in self.features)


Step: TypeAlias = Lookup | FunctionColumn


@dataclass(frozen=True)
class FeatureSpec:
    """A model's inputs in order: source columns, looked-up features, computed features."""

    sources: tuple[SourceColumn, ...]
    features: tuple[FeatureColumn, ...]
    tables: tuple[InputTable, ...]
    functions: tuple[FunctionColumn, ...] = ()

    @property
    def columns(self) -> tuple[SourceColumn | FeatureColumn | FunctionColumn, ...]:
        """All columns, source columns first."""
        return (*self.sources, *self.features, *self.functions)

    @property
    def model_columns(self) -> list[str]:
        """Names of the model's input columns, in order."""
        return [column.name for column in self.columns if column.include]

    def lookups(self) -> list[Lookup]:
        """Return the joins in dependency order."""
        return [step for step in self.steps() if isinstance(step, Lookup)]

    def steps(self) -> list[Step]:
        """Return the joins and functions in dependency order."""
        windows = {table.name: table.lookback_window for table in self.tables}
        groups: dict[Lookup, list[tuple[str, str]]] = {}
        for column in self.features:
            group = Lookup(
                column.table_name,
                column.lookup_key,
                column.timestamp_lookup_key,
                windows.get(column.table_name),
                (),
            )
            groups.setdefault(group, []).append((column.feature_name, column.name))
        waiting = [replace(group, features=tuple(names)) for group, names in groups.items()]
        known = {column.name for column in self.sources}
        return list(_in_order([*waiting, *self.functions], known))

    def write(self, directory: Path) -> None:
        """Write the specification as `feature_spec.yaml` to a directory."""
        directory.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(_to_document(self), sort_keys=False)
        (directory / SPEC_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, model: Path) -> "FeatureSpec":
        """Read the specification from the directory of a logged model."""
        path = model / MODEL_DATA / SPEC_FILE
        if not path.is_file():
            raise FeatureError(
                f"The model at {model} has no {MODEL_DATA / SPEC_FILE}: it was not logged by "
                "FeatureEngineeringClient.log_model. Log it there, or load it with mlflow.pyfunc."
            )
        return _from_document(yaml.safe_load(path.read_text(encoding="utf-8")))


def _in_order(waiting: list[Step], available: set[str]) -> Iterator[Step]:
    while waiting:
        ready = [step for step in waiting if available.issuperset(step.keys)]
        if not ready:
            missing = sorted({key for step in waiting for key in step.keys} - available)
            raise FeatureError(
                f"Lookup keys and arguments {missing} are neither columns of the DataFrame nor "
                f"features of another lookup or function. There are: {sorted(available)}. Add them "
                "to the DataFrame."
            )
        yield from ready
        available |= {name for step in ready for name in step.outputs}
        waiting = [step for step in waiting if step not in ready]


_SOURCES = {
    SourceColumn: _TRAINING_DATA,
    FeatureColumn: _FEATURE_STORE,
    FunctionColumn: _ON_DEMAND,
}


def _to_document(spec: FeatureSpec) -> dict[str, Any]:
    order = [column.name for column in spec.sources]
    order += [name for step in spec.steps() for name in step.outputs]
    columns: list[dict[str, Any]] = []
    for column in spec.columns:
        entry: dict[str, Any] = {}
        if isinstance(column, FeatureColumn):
            entry["table_name"] = column.table_name
            entry["feature_name"] = column.feature_name
            entry["lookup_key"] = list(column.lookup_key)
            if column.timestamp_lookup_key:
                entry["timestamp_lookup_key"] = [column.timestamp_lookup_key]
            if column.default_value is not None:
                entry["default_value"] = column.default_value
        elif isinstance(column, FunctionColumn):
            entry["udf_name"] = column.udf_name
            if column.input_bindings:
                entry["input_bindings"] = dict(column.input_bindings)
        entry["data_type"] = column.data_type
        if not column.include:
            entry["include"] = False
        entry["topological_ordering"] = order.index(column.name)
        entry["source"] = _SOURCES[type(column)]
        columns.append({column.name: entry})
    tables = []
    for table in spec.tables:
        facts = {"table_id": table.table_id, "lookback_window": table.lookback_window}
        tables.append({table.name: {k: v for k, v in facts.items() if v is not None}})
    functions = sorted({column.udf_name for column in spec.functions})
    return {
        "input_columns": columns,
        "input_tables": tables,
        **({"input_functions": [{name: {}} for name in functions]} if functions else {}),
        "serialization_version": _SERIALIZATION_VERSION,
    }


def _from_document(document: Mapping[str, Any]) -> FeatureSpec:
    sources: list[SourceColumn] = []
    features: list[FeatureColumn] = []
    functions: list[FunctionColumn] = []
    for item in document["input_columns"]:
        ((name, entry),) = item.items()
        include = entry.get("include", True)
        if entry["source"] == _TRAINING_DATA:
            sources.append(SourceColumn(name, entry["data_type"], include))
        elif entry["source"] == _FEATURE_STORE:
            (time,) = entry.get("timestamp_lookup_key") or (None,)
            features.append(
                FeatureColumn(
                    name=name,
                    data_type=entry["data_type"],
                    table_name=entry["table_name"],
                    feature_name=entry["feature_name"],
                    lookup_key=tuple(entry["lookup_key"]),
                    timestamp_lookup_key=time,
                    default_value=entry.get("default_value"),
                    include=include,
                )
            )
        elif entry["source"] == _ON_DEMAND:
            bindings = tuple((entry.get("input_bindings") or {}).items())
            functions.append(
                FunctionColumn(name, entry["data_type"], entry["udf_name"], bindings, include)
            )
        else:
            raise FeatureError(
                f"Column {name} of the model's feature specification comes from "
                f"{entry['source']!r}. The laptop knows: {', '.join(_SOURCES.values())}."
            )
    tables = []
    for item in document.get("input_tables", ()):
        ((name, entry),) = item.items()
        tables.append(InputTable(name, entry.get("table_id"), entry.get("lookback_window")))
    return FeatureSpec(tuple(sources), tuple(features), tuple(tables), tuple(functions))
