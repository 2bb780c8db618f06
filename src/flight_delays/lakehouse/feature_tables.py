"""Feature tables: made, extended, and rewritten where what they are computed by has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from databricks.sdk import WorkspaceClient

from .context import Lakehouse
from .errors import LakehouseError, SchemaChangedError
from .tables import add_columns, count_rows, read_properties, require_columns, set_property

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CHANGE_FEED = "delta.enableChangeDataFeed"
# A digest of what all rows of a table were computed by.
DEFINITION = "feature_definition"


@dataclass(frozen=True)
class Rewritten:
    """How many rows of a feature table were added, changed and removed."""

    added: int
    changed: int
    removed: int


def ensure_feature_table(
    lakehouse: Lakehouse,
    table: str,
    rows: "DataFrame",
    *,
    primary_keys: Sequence[str],
    timeseries_column: str | None,
    description: str,
    remedy: str,
) -> None:
    """Make a feature table where none of that name is, or add the features that one lacks.

    Args:
        lakehouse: The platform's clients.
        table: Its full name.
        rows: Primary keys and features, in their types.
        primary_keys: The columns that identify rows.
        timeseries_column: The one among them that says since when a row is known.
        description: What a row says.
        remedy: What to do with a table of another shape, as a sentence.

    Raises:
        SchemaChangedError: One of that name has a column of another type, or another key.
    """
    if is_feature_table(lakehouse, table):
        types = dict(rows.dtypes)
        present = lakehouse.spark.table(table).columns
        keys = {name: kind for name, kind in types.items() if name in (*primary_keys, *present)}
        require_columns(lakehouse.spark, table, keys, remedy)
        require_key(lakehouse.workspace, table, primary_keys, remedy)
        add_columns(lakehouse.spark, table, types)
    else:
        lakehouse.feature_store.create_table(
            name=table,
            primary_keys=list(primary_keys),
            timeseries_column=timeseries_column,
            schema=rows.schema,
            description=description,
        )
    follow_changes(lakehouse, table)


def merge_features(
    lakehouse: Lakehouse, table: str, rows: "DataFrame", present: "DataFrame"
) -> int:
    """Add the rows that a feature table lacks; those that it has never change.

    Args:
        lakehouse: The platform's clients.
        table: Its full name.
        rows: Primary keys and features.
        present: The primary keys of the table's rows, at least of those that `rows` may hold.

    Returns:
        How many rows the table has gained.
    """
    before = count_rows(lakehouse.spark, table)
    stored = dict(lakehouse.spark.table(table).dtypes)
    # Of a feature that is no longer computed, the rows so far have values, new ones have none.
    former = [f"CAST(NULL AS {stored[name]}) AS {name}" for name in stored.keys() - rows.columns]
    new = rows.join(present, on=present.columns, how="left_anti").selectExpr("*", *former)
    lakehouse.feature_store.write_table(name=table, df=new, mode="merge")
    return count_rows(lakehouse.spark, table) - before


def rewrite_features(
    lakehouse: Lakehouse, table: str, rows: "DataFrame", primary_keys: Sequence[str]
) -> Rewritten:
    """Bring a feature table to what its rows are now; columns that they lack stay as they are.

    Args:
        lakehouse: The platform's clients.
        table: Its full name.
        rows: All rows it is to have: primary keys and features.
        primary_keys: The columns that identify rows.
    """
    spark, keys = lakehouse.spark, list(primary_keys)
    stored = spark.table(table)
    features = [name for name in rows.columns if name not in keys]
    kept = [name for name in stored.columns if name not in rows.columns]
    former = (f"{name} AS former_{name}" for name in features)
    both = rows.join(stored.selectExpr(*keys, *kept, *former, "TRUE AS _is_stored"), keys, "left")
    same = " AND ".join(f"{name} <=> former_{name}" for name in features)
    (found,) = both.selectExpr(
        "count_if(_is_stored IS NULL) AS added", f"count_if(_is_stored AND NOT ({same})) AS changed"
    ).collect()
    if found.added or found.changed:
        new = both.where(f"_is_stored IS NULL OR NOT ({same})").select(*keys, *features, *kept)
        lakehouse.feature_store.write_table(name=table, df=new, mode="merge")
    gone = spark.table(table).join(rows, keys, "left_anti").select(*keys)
    removed = gone.count()
    if removed:
        gone.createOrReplaceTempView("gone_rows")
        matched = " AND ".join(f"old.{key} = gone.{key}" for key in keys)
        spark.sql(
            f"MERGE INTO {table} old USING gone_rows gone ON {matched} WHEN MATCHED THEN DELETE"
        )
    return Rewritten(found.added, found.changed, removed)


def read_definition(workspace: WorkspaceClient, table: str) -> str | None:
    """Return by what definition all rows of a feature table were computed; None if unknown."""
    return read_properties(workspace, table).get(DEFINITION)


def record_definition(lakehouse: Lakehouse, table: str, definition: str) -> None:
    """Record by what definition all rows of a feature table were computed."""
    set_property(lakehouse.spark, table, DEFINITION, definition)


def require_key(
    workspace: WorkspaceClient, table: str, primary_keys: Sequence[str], remedy: str
) -> None:
    """Refuse a feature table of another primary key.

    Args:
        workspace: The workspace.
        table: Full name of a table that exists.
        primary_keys: The columns that identify its rows.
        remedy: What to do, as a sentence.

    Raises:
        SchemaChangedError: It has another.
    """
    for constraint in workspace.tables.get(table).table_constraints or []:
        key = constraint.primary_key_constraint
        if key is not None and sorted(key.child_columns) != sorted(primary_keys):
            wanted, found = ", ".join(primary_keys), ", ".join(key.child_columns)
            raise SchemaChangedError(table, f"needs the key {wanted}", f"has {found}", remedy)


def is_feature_table(lakehouse: Lakehouse, table: str) -> bool:
    """Tell whether a feature table is there whole.

    A call killed between making a table and declaring its key leaves one that is empty and has
    no key; it is dropped, so that it can be made again.
    """
    if not lakehouse.spark.catalog.tableExists(table):
        return False
    if lakehouse.workspace.tables.get(table).table_constraints:
        return True
    if count_rows(lakehouse.spark, table):
        raise LakehouseError(
            f"Table {table} has rows and no primary key, so it is no feature table of this job. "
            "Drop or rename it, then run feature_refresh again."
        )
    lakehouse.spark.sql(f"DROP TABLE {table}")
    return False


def follow_changes(lakehouse: Lakehouse, table: str) -> None:
    """Turn on the change data feed, through which the online store follows a table."""
    if read_properties(lakehouse.workspace, table).get(CHANGE_FEED) != "true":
        set_property(lakehouse.spark, table, CHANGE_FEED, "true")
