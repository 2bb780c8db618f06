"""DataFrame writes to tables that the engine does not support or gets wrong."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from pyspark.sql.connect.proto import commands_pb2, relations_pb2

from .tokens import Cursor, StatementRefused, column_info, quote

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

    from .plans import Session

_V1, _V2 = commands_pb2.WriteOperation, commands_pb2.WriteOperationV2
# Maximum limit of a plan.
MOST_ROWS = 2**31 - 1
_WIDER = {("int", "bigint"), ("smallint", "int"), ("smallint", "bigint"), ("float", "double")}


def wrap(relation: Any) -> None:
    """Add a limit to a query: the engine would check NOT NULL before the query's filters."""
    inner = relations_pb2.Relation()
    inner.CopyFrom(relation)
    relation.limit.input.CopyFrom(inner)
    relation.limit.limit = MOST_ROWS


def check_path(operation: Any) -> None:
    """Reject options that the engine silently ignores for a path."""
    if "replacewhere" in {key.lower() for key in operation.options}:
        raise StatementRefused(
            "replaceWhere is not supported on the laptop for a path, only for a table: use "
            "saveAsTable."
        )


def save(session: "Session", operation: Any) -> bool:
    """Run `saveAsTable` or `insertInto`; return False if the engine still has to write."""
    levels = Cursor(operation.table.table_name).name()
    options = {key.lower(): value for key, value in operation.options.items()}
    table = session.api.find(session.full(levels))
    by_position = operation.table.save_method == _V1.SaveTable.TABLE_SAVE_METHOD_INSERT_INTO
    if table is None and by_position:
        return False
    _check_source(operation.source or "delta", levels)
    parts = list(operation.partitioning_columns)
    rows: DataFrame = session.frame(operation.input)
    if table is None:
        create(session, levels, rows, parts)
    elif operation.mode == _V1.SAVE_MODE_IGNORE and not by_position:
        pass
    elif operation.mode == _V1.SAVE_MODE_OVERWRITE:
        if by_position:
            named = rows.toDF(*(column["name"] for column in table["columns"]))
            rows = cast("DataFrame", named)
        _overwrite(session, levels, rows, options, parts)
    elif operation.mode == _V1.SAVE_MODE_APPEND:
        return _append(session, table, rows, options, operation.input)
    else:
        return False
    return True


def save_v2(session: "Session", operation: Any) -> bool:
    """Run `writeTo`; return False if the engine still has to write."""
    levels = Cursor(operation.table_name).name()
    options = {key.lower(): value for key, value in operation.options.items()}
    table = session.api.find(session.full(levels))
    rows = session.frame(operation.input)
    mode = operation.mode
    if mode in (_V2.MODE_CREATE, _V2.MODE_CREATE_OR_REPLACE) and table is None:
        _check_source(operation.provider or "delta", levels)
        create(session, levels, rows, _columns_of(operation.partitioning_columns))
    elif table is not None and mode in (_V2.MODE_REPLACE, _V2.MODE_CREATE_OR_REPLACE):
        replace(
            session,
            levels,
            lambda name: create(session, name, rows, _columns_of(operation.partitioning_columns)),
        )
    elif table is not None and mode == _V2.MODE_APPEND:
        return _append(session, table, rows, options, operation.input)
    elif table is not None and mode == _V2.MODE_OVERWRITE:
        raise StatementRefused(
            "writeTo(…).overwrite(condition) is not supported on the laptop: write "
            '.write.mode("overwrite").option("replaceWhere", "condition").saveAsTable(…).'
        )
    elif table is not None and mode == _V2.MODE_OVERWRITE_PARTITIONS:
        raise StatementRefused(_DYNAMIC)
    else:
        return False
    return True


_DYNAMIC = (
    "Overwriting the partitions that rows belong to is not supported on the laptop: write "
    '.write.mode("overwrite").option("replaceWhere", "condition").saveAsTable(…).'
)


def create(
    session: "Session",
    levels: Sequence[str],
    rows: "DataFrame",
    partitions: Sequence[str] = (),
) -> None:
    """Create a table with a DataFrame's columns, all nullable, and write the rows.

    The table is dropped if the write fails.
    """
    columns = ", ".join(f"{quote(name)} {kind}" for name, kind in rows.dtypes)
    parted = f" PARTITIONED BY ({', '.join(map(quote, partitions))})" if partitions else ""
    try:
        session.spark.sql(f"CREATE TABLE {quote(*levels)} ({columns}){parted}")
        session.spark.sql(f"INSERT INTO {quote(*levels)} SELECT * FROM {{rows}}", rows=rows)
    except Exception as error:
        # Do not drop a table that another session created.
        full = session.full(tuple(levels))
        if "already exists" not in str(error) and session.api.find(full) is not None:
            session.api.ask("DELETE", f"/api/2.1/unity-catalog/tables/{full}")
        raise


def replace(
    session: "Session", levels: Sequence[str], make: Callable[[Sequence[str]], None]
) -> None:
    """Create a table under a temporary name, then replace the existing table with it."""
    full = session.full(tuple(levels))
    draft = [*full.split(".")[:2], f"replacement_{uuid.uuid4().hex}"]
    make(draft)
    body = {"name": ".".join(draft)}
    session.api.ask("POST", f"/api/2.1/unity-catalog/tables/{full}/replace", body)


def add_columns(session: "Session", full: str, columns: Mapping[str, str]) -> None:
    """Add columns to a table, null in existing rows."""
    added = ", ".join(f"CAST(NULL AS {kind}) AS {quote(name)}" for name, kind in columns.items())
    name = quote(*full.split("."))
    empty = session.spark.sql(f"SELECT *, {added} FROM {name} WHERE 1 = 0")
    empty.write.mode("append").option("mergeSchema", "true").saveAsTable(name)
    # The engine may have added them to the catalog as not nullable.
    added_names = {name.lower() for name in columns}
    known = {c["name"].lower(): c for c in session.api.find(full)["columns"]}
    there = [column for name, column in known.items() if name not in added_names]
    fresh = [
        _nullable(column_info(name, kind, len(there) + at), known.get(name.lower(), {}))
        for at, (name, kind) in enumerate(columns.items())
    ]
    shown = [*there, *fresh]
    session.api.ask("PATCH", f"/api/2.1/unity-catalog/tables/{full}", {"columns": shown})


def _nullable(column: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Return a nullable column with the full type that the engine reported."""
    declared = json.loads(known.get("type_json") or "{}")
    whole = {"type_json": json.dumps(declared | {"nullable": True})} if declared else {}
    return {**column, **whole, "nullable": True}


def _check_source(source: str, levels: Sequence[str]) -> None:
    if source.lower() != "delta":
        raise StatementRefused(
            f"Table {'.'.join(levels)} cannot be {source} on the laptop: write format 'delta'."
        )


def _columns_of(expressions: Sequence[Any]) -> list[str]:
    found = [each.unresolved_attribute.unparsed_identifier for each in expressions]
    if not all(found):
        raise StatementRefused("The laptop partitions a table by its columns alone.")
    return found


def _evolves(session: "Session", options: Mapping[str, str]) -> bool:
    setting = session.spark.conf.get("spark.databricks.delta.schema.autoMerge.enabled", "false")
    return (options.get("mergeschema") or setting or "").lower() == "true"


def _append(
    session: "Session",
    table: dict[str, Any],
    rows: "DataFrame",
    options: Mapping[str, str],
    plan: Any,
) -> bool:
    """Append rows with new columns; leave others to the engine, with a limit (see `wrap`)."""
    levels = table["full_name"].split(".")
    if not _new_columns(session, table, rows, options):
        wrap(plan)
        return False
    with _widened(session, table, rows, options) as settled:
        name = quote(*levels)
        columns = _by_name(settled, dict(session.spark.table(name).dtypes))
        session.spark.sql(f"INSERT INTO {name} SELECT {columns} FROM {{rows}}", rows=settled)
    return True


def _new_columns(
    session: "Session", table: dict[str, Any], rows: "DataFrame", options: Mapping[str, str]
) -> dict[str, str]:
    if not _evolves(session, options):
        return {}
    there = {column["name"].lower() for column in table["columns"]}
    return {name: kind for name, kind in rows.dtypes if name.lower() not in there}


@contextmanager
def _widened(
    session: "Session", table: dict[str, Any], rows: "DataFrame", options: Mapping[str, str]
) -> Iterator["DataFrame"]:
    """Add the new columns of rows to a table, and yield the rows.

    The rows are stored in a temporary table first, because their query may read the table.
    """
    new = _new_columns(session, table, rows, options)
    if not new:
        yield rows
        return
    aside = [*table["full_name"].split(".")[:2], f"aside_{uuid.uuid4().hex}"]
    create(session, aside, rows)
    try:
        add_columns(session, table["full_name"], new)
        yield cast("DataFrame", session.spark.table(quote(*aside)))
    finally:
        session.api.ask("DELETE", f"/api/2.1/unity-catalog/tables/{'.'.join(aside)}")


def _by_name(rows: "DataFrame", there: Mapping[str, str]) -> str:
    """Return the select list for a table's columns, null for columns missing in the rows."""
    given = {name.lower(): name for name in rows.columns}
    return ", ".join(
        (quote(given[name.lower()]) if name.lower() in given else f"CAST(NULL AS {kind})")
        + f" AS {quote(name)}"
        for name, kind in there.items()
    )


def _overwrite(
    session: "Session",
    levels: Sequence[str],
    rows: "DataFrame",
    options: Mapping[str, str],
    partitions: Sequence[str],
) -> None:
    name = quote(*levels)
    condition = options.get("replacewhere")
    if options.get("partitionoverwritemode", "").lower() == "dynamic":
        raise StatementRefused(_DYNAMIC)
    if options.get("overwriteschema", "").lower() == "true" and condition is None:
        replace(session, levels, lambda draft: create(session, draft, rows, partitions))
        return
    table = session.api.find(session.full(tuple(levels)))
    with _widened(session, table, rows, options) as settled:
        _replace_rows(session, name, settled, condition)


def _replace_rows(session: "Session", name: str, rows: "DataFrame", condition: str | None) -> None:
    there = {n.lower(): kind for n, kind in session.spark.table(name).dtypes}
    wrong = [
        f"{n} {kind}"
        for n, kind in rows.dtypes
        if there.get(n.lower()) != kind and (kind, there.get(n.lower())) not in _WIDER
    ]
    if wrong:
        raise StatementRefused(
            f"A schema mismatch detected when writing to the Delta table {name}: it "
            f"has no {', '.join(wrong)}. Its columns: "
            f"{', '.join(f'{n} {kind}' for n, kind in there.items())}. To replace the schema, set "
            "option overwriteSchema to 'true'; to add columns, mergeSchema."
        )
    columns = _by_name(rows, there)
    if condition is not None:
        outside = session.spark.sql(
            f"SELECT 1 FROM {{rows}} WHERE NOT coalesce({condition}, false) LIMIT 1", rows=rows
        )
        if outside.collect():
            raise StatementRefused(
                "[DELTA_REPLACE_WHERE_MISMATCH] Written data does not conform to partial table "
                f"overwrite condition or constraint '{condition}'."
            )
    how = f"INTO {name} REPLACE WHERE {condition}" if condition else f"OVERWRITE {name}"
    session.spark.sql(
        f"INSERT {how} SELECT {columns} FROM (SELECT * FROM {{rows}} LIMIT {MOST_ROWS})", rows=rows
    )
