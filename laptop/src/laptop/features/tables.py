"""Feature tables: managed Delta tables with primary keys in the catalog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service.catalog import PrimaryKeyConstraint, TableConstraint, TableInfo
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructField, StructType

from .errors import FeatureError
from .types import simple_name

_TAG = "tag."
_UNKNOWN = frozenset(
    {
        "online_stores",
        "notebook_producers",
        "job_producers",
        "table_data_sources",
        "path_data_sources",
        "custom_data_sources",
        "keys",
    }
)


@dataclass(frozen=True)
class FeatureTable:
    """The catalog's metadata of a feature table.

    Attributes:
        primary_keys: Key columns without the timestamp.
        timestamp_keys: The timeseries column, if any.
        features: All columns, including the keys.
        types: Spark simple type name by column.
        tags: Value by key.
    """

    name: str
    table_id: str
    description: str
    primary_keys: list[str]
    timestamp_keys: list[str]
    features: list[str]
    creation_timestamp: int | None
    types: Mapping[str, str] = field(repr=False)
    tags: Mapping[str, str] = field(repr=False)
    partition_columns: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> NoReturn:
        """Raise an error for attributes that only Databricks supports."""
        if name in _UNKNOWN:
            raise NotImplementedError(f"FeatureTable.{name} is not supported on the laptop.")
        raise AttributeError(f"FeatureTable has no attribute {name!r}")

    @property
    def timeseries_column(self) -> str | None:
        """The timeseries column, or None."""
        return self.timestamp_keys[0] if self.timestamp_keys else None

    @property
    def key_columns(self) -> list[str]:
        """All columns that identify a row."""
        return [*self.primary_keys, *self.timestamp_keys]


def check_name(name: str) -> None:
    """Raise an error unless the name has three levels."""
    if len([part for part in name.split(".") if part]) != 3:
        raise FeatureError(
            f"A feature table must be named catalog.schema.table, got: {name}. Give all three."
        )


def describe(workspace: WorkspaceClient, name: str) -> FeatureTable:
    """Return the metadata of a feature table."""
    check_name(name)
    try:
        return read_info(workspace.tables.get(name))
    except NotFound as error:
        raise FeatureError(f"Feature table {name} does not exist. {error}") from error


def read_info(info: TableInfo) -> FeatureTable:
    """Convert the catalog's table information to a feature table."""
    name = info.full_name or ""
    keys = [c.primary_key_constraint for c in info.table_constraints or []]
    key = next((key for key in keys if key), None)
    if key is None:
        raise FeatureError(
            f"Table {name} has no primary key, so it is not a feature table. "
            "Create it with FeatureEngineeringClient.create_table."
        )
    times = key.timeseries_columns or []
    types = {c.name or "": simple_name(c.type_text or "") for c in info.columns or []}
    properties = info.properties or {}
    return FeatureTable(
        name=name,
        table_id=info.table_id or "",
        description=info.comment or "",
        primary_keys=[column for column in key.child_columns if column not in times],
        timestamp_keys=list(times),
        features=list(types),
        creation_timestamp=info.created_at,
        types=types,
        tags={k.removeprefix(_TAG): v for k, v in properties.items() if k.startswith(_TAG)},
    )


def exists(workspace: WorkspaceClient, name: str) -> bool:
    """Return whether the table exists in the catalog."""
    check_name(name)
    try:
        workspace.tables.get(name)
    except NotFound:
        return False
    return True


def create(
    spark: SparkSession,
    workspace: WorkspaceClient,
    name: str,
    schema: StructType,
    primary_keys: Sequence[str],
    timeseries_column: str | None,
    description: str | None,
) -> None:
    """Create an empty feature table with its keys."""
    check_name(name)
    _check_keys(name, schema.fieldNames(), primary_keys, timeseries_column)
    keys = [key for key in primary_keys if key != timeseries_column]
    times = [timeseries_column] if timeseries_column else []
    columns = [
        f"{quote(f.name)} {f.dataType.simpleString()}"
        + (" NOT NULL" if f.name in primary_keys else "")
        for f in schema.fields
    ]
    spark.sql(f"CREATE TABLE {quote_table(name)} ({', '.join(columns)}) USING DELTA")
    constraint = PrimaryKeyConstraint(
        name=f"{name.rpartition('.')[2]}_pk",
        child_columns=[*keys, *times],
        timeseries_columns=times or None,
    )
    workspace.table_constraints.create(name, TableConstraint(primary_key_constraint=constraint))
    if description:
        update(workspace, name, comment=description)


def update(workspace: WorkspaceClient, name: str, **changes: object) -> None:
    """Change the comment or the properties of a table in the catalog."""
    workspace.api_client.do("PATCH", f"/api/2.1/unity-catalog/tables/{name}", body=changes)


def set_tag(workspace: WorkspaceClient, name: str, key: str, value: str) -> None:
    """Set a tag of a feature table."""
    describe(workspace, name)
    properties = workspace.tables.get(name).properties or {}
    update(workspace, name, properties={**properties, f"{_TAG}{key}": value})


def delete_tag(workspace: WorkspaceClient, name: str, key: str) -> None:
    """Remove a tag of a feature table."""
    table = describe(workspace, name)
    if key not in table.tags:
        raise FeatureError(
            f"Feature table {name} has no tag {key}. It has: {', '.join(table.tags) or 'none'}."
        )
    properties = dict(workspace.tables.get(name).properties or {})
    del properties[f"{_TAG}{key}"]
    update(workspace, name, properties=properties)


def merge(table: FeatureTable, df: DataFrame) -> None:
    """Upsert rows by key; columns that `df` does not have keep their values.

    As in the Databricks client, new columns are added to the table by appending an empty
    DataFrame of that schema.
    """
    _check_columns(table, df)
    if any(name not in table.types for name in df.columns):
        schema = StructType([StructField(f.name, f.dataType) for f in df.schema.fields])
        empty = df.sparkSession.createDataFrame([], schema).write.format("delta")
        empty.option("mergeSchema", "true").mode("append").saveAsTable(quote_table(table.name))
    keys = [quote(key) for key in table.key_columns]
    spark = df.sparkSession
    found = spark.sql(
        f"SELECT {', '.join(keys)}, count(*) AS rows FROM {{rows}} "
        f"GROUP BY {', '.join(keys)} HAVING count(*) > 1 LIMIT 1",
        rows=df,
    ).collect()
    if found:
        raise FeatureError(
            f"The DataFrame for feature table {table.name} holds a key more than once, "
            f"for instance {found[0].asDict()}. Allowed: one row for each "
            f"{table.key_columns}. Reduce it before write_table."
        )
    columns = [quote(name) for name in df.columns]
    same = " AND ".join(f"t.{key} = s.{key}" for key in keys)
    changes = ", ".join(f"{name} = s.{name}" for name in columns if name not in keys)
    update = f"WHEN MATCHED THEN UPDATE SET {changes} " if changes else ""
    spark.sql(
        f"MERGE INTO {quote_table(table.name)} AS t USING {{rows}} AS s ON {same} {update}"
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) "
        f"VALUES ({', '.join(f's.{name}' for name in columns)})",
        rows=df,
    )


def quote(*levels: str) -> str:
    """Quote the levels of a name with backticks."""
    return ".".join(f"`{level.replace('`', '``')}`" for level in levels)


def quote_table(name: str) -> str:
    """Quote a table's full name with backticks."""
    return quote(*name.split("."))


def _check_keys(
    name: str, columns: Sequence[str], primary_keys: Sequence[str], timeseries_column: str | None
) -> None:
    if repeated := sorted({key for key in primary_keys if list(primary_keys).count(key) > 1}):
        raise FeatureError(f"primary_keys of {name} name {repeated} twice. Name each key once.")
    if timeseries_column is not None and timeseries_column not in primary_keys:
        raise FeatureError(
            f"timeseries_column {timeseries_column} of {name} is not in primary_keys "
            f"{list(primary_keys)}. Add it there."
        )
    if not [key for key in primary_keys if key != timeseries_column]:
        raise FeatureError(
            f"primary_keys of {name} must name a column other than the timeseries column, "
            f"got: {list(primary_keys)}."
        )
    if missing := [key for key in primary_keys if key not in columns]:
        raise FeatureError(
            f"primary_keys of {name} name {missing}, which the schema has not. "
            f"It has: {', '.join(columns)}."
        )


def _check_columns(table: FeatureTable, df: DataFrame) -> None:
    given = {f.name: f.dataType.simpleString() for f in df.schema.fields}
    # Rows with a timestamp need all columns: there is no earlier value to fill them from.
    required = table.features if table.timestamp_keys else table.key_columns
    if missing := [name for name in required if name not in given]:
        raise FeatureError(
            f"The DataFrame for feature table {table.name} lacks {missing}. Required: {required}."
        )
    wrong = [
        f"{name} {kind} instead of {table.types[name]}"
        for name, kind in given.items()
        if name in table.types and kind != table.types[name]
    ]
    if wrong:
        raise FeatureError(
            f"The DataFrame for feature table {table.name} has {', '.join(wrong)}. "
            "Cast the columns to the table's types."
        )
