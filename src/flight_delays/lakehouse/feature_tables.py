"""Feature tables: create, extend, and rewrite them if their definition has changed."""

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
# Table property: digest of the definition of all rows.
DEFINITION = "feature_definition"


@dataclass(frozen=True)
class Rewritten:
    """Numbers of rows of a feature table that were added, changed and removed."""

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
    """Create a feature table if it does not exist, or add the missing features.

    `rows` have primary keys and features in their types; `timeseries_column` is the key column with
    the instant since when a row is known, if any; `remedy` says what to do with a table of another
    schema, as a sentence.

    Raises:
        SchemaChangedError: The table has another key, or a column of another type.
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
    """Insert the rows whose key a feature table does not have, and return their number.

    `present` has the primary keys of the stored rows, at least of those that may be in `rows`.
    Stored rows never change.
    """
    before = count_rows(lakehouse.spark, table)
    stored = dict(lakehouse.spark.table(table).dtypes)
    # New rows have NULL in features that are no longer computed.
    former = [f"CAST(NULL AS {stored[name]}) AS {name}" for name in stored.keys() - rows.columns]
    new = rows.join(present, on=present.columns, how="left_anti").selectExpr("*", *former)
    lakehouse.feature_store.write_table(name=table, df=new, mode="merge")
    return count_rows(lakehouse.spark, table) - before


def rewrite_features(
    lakehouse: Lakehouse, table: str, rows: "DataFrame", primary_keys: Sequence[str]
) -> Rewritten:
    """Upsert and delete until a feature table has these rows; columns `rows` lacks are kept."""
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
    """Return the definition of all rows of a feature table; None if unknown."""
    return read_properties(workspace, table).get(DEFINITION)


def record_definition(lakehouse: Lakehouse, table: str, definition: str) -> None:
    """Record the definition of all rows of a feature table."""
    set_property(lakehouse.spark, table, DEFINITION, definition)


def require_key(
    workspace: WorkspaceClient, table: str, primary_keys: Sequence[str], remedy: str
) -> None:
    """Check the primary key of an existing feature table; `remedy` says what to do, as a sentence.

    Raises:
        SchemaChangedError: The table has another primary key.
    """
    for constraint in workspace.tables.get(table).table_constraints or []:
        key = constraint.primary_key_constraint
        if key is not None and sorted(key.child_columns) != sorted(primary_keys):
            wanted, found = ", ".join(primary_keys), ", ".join(key.child_columns)
            raise SchemaChangedError(table, f"needs the key {wanted}", f"has {found}", remedy)


def is_feature_table(lakehouse: Lakehouse, table: str) -> bool:
    """Return whether a feature table exists.

    A call killed between creating the table and its primary key leaves an empty table without a
    key; it is dropped.
    """
    if not lakehouse.spark.catalog.tableExists(table):
        return False
    if lakehouse.workspace.tables.get(table).table_constraints:
        return True
    if count_rows(lakehouse.spark, table):
        raise LakehouseError(
            f"Table {table} has rows and no primary key, so it is not a feature table of this job. "
            "Drop or rename it, then run feature_refresh again."
        )
    lakehouse.spark.sql(f"DROP TABLE {table}")
    return False


def follow_changes(lakehouse: Lakehouse, table: str) -> None:
    """Enable the change data feed, from which the online store is updated."""
    if read_properties(lakehouse.workspace, table).get(CHANGE_FEED) != "true":
        set_property(lakehouse.spark, table, CHANGE_FEED, "true")
