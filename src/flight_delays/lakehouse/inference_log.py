"""The inference log: each prediction once, with its label when it is known."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from ..spec.inference_log import (
    BASELINE,
    BATCH,
    FROM_BATCH,
    LABEL,
    LABEL_KNOWN_AT,
    LABELLED,
    LOG,
    REJECTED,
    VALIDATION,
    baseline_columns,
    feature_types,
    labelled_columns,
    log_columns,
    write_label,
    write_prediction,
)
from ..spec.problem import Problem
from ..spec.tables import Qualify
from .payloads import read_value
from .tables import add_columns, add_new_rows, create_table, require_columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REJECTED_COLUMNS = {
    "request_id": "STRING",
    "reason": "STRING",
    "request_time": "TIMESTAMP",
    "status_code": "INT",
    "request": "STRING",
    "response": "STRING",
    "seen_at": "TIMESTAMP",
}
# Rows of this period are read again: payloads may be late, and runs may have been killed.
REREAD = timedelta(days=7)
REMEDY = "Rename or delete the table, then run monitoring: it creates the table again."


def create_log(spark: "SparkSession", problem: Problem, qualify: Qualify) -> None:
    """Create the missing tables, and add the columns of new features.

    Raises:
        SchemaChangedError: A table has the schema of another version of the project.
    """
    shapes = {
        LOG: log_columns(problem),
        LABELLED: labelled_columns(problem),
        BASELINE: baseline_columns(problem),
        REJECTED: REJECTED_COLUMNS,
    }
    for name, columns in shapes.items():
        # With a change data feed, data profiling reads new rows only, and would miss later labels.
        feed = {"delta.enableChangeDataFeed": "true"} if name == LOG else {}
        create_shape(spark, qualify(name), columns, feed)


def create_shape(
    spark: "SparkSession",
    table: str,
    columns: Mapping[str, str],
    properties: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Create a table if it does not exist, and add the missing columns.

    Raises:
        SchemaChangedError: A column has another type.
    """
    listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    create_table(spark, table, listed, properties)
    add_columns(spark, table, columns)
    require_columns(spark, table, columns, REMEDY)


def find_start(spark: "SparkSession", log: str, source: str) -> datetime | None:
    """Return the instant from which rows of a source are read again; None for all rows."""
    row = spark.sql(
        f"SELECT max(scored_at) AS latest FROM {log} WHERE source = :source",
        args={"source": source},
    ).first()
    latest = row and row["latest"]
    return latest - REREAD if latest else None


def add_predictions(
    spark: "SparkSession",
    problem: Problem,
    log: str,
    source: str,
    predictions: str,
    model: str,
    threshold: float,
) -> int:
    """Insert the missing predictions of batch or of streams, and return their number."""
    keys = list(problem.keys)
    parts = ", ".join(f"CAST({key} AS STRING)" for key in keys)
    since = find_start(spark, log, source)
    # The same row may be scored by batch and by a stream.
    origin = "" if source == BATCH else f"'{source}', "
    values = {
        "row_id": f"concat_ws('|', {origin}{parts}, CAST(model_version AS STRING))",
        "features_from": f"'{FROM_BATCH}'",
        "score": "prediction",
        "prediction": write_prediction(problem, "prediction", threshold),
        "model_version": "CAST(model_version AS STRING)",
        "source": f"'{source}'",
    }
    listed = ", ".join(f"{values.get(name, name)} AS {name}" for name in log_columns(problem))
    later = f"AND scored_at >= TIMESTAMP '{since.isoformat()}'" if since else ""
    rows = spark.sql(
        f"SELECT {listed} FROM {predictions} WHERE model_name = :model {later}",
        args={"model": model},
    )
    return add_new_rows(spark, log, rows, ["row_id"])


def make_frame(
    spark: "SparkSession", columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> "DataFrame":
    """Return rows as a DataFrame with the given columns."""
    kinds = {"STRING": pa.string(), "DOUBLE": pa.float64(), "INT": pa.int32()}
    stamp = pa.timestamp("us", "UTC")
    # Values of other types, as a key may have, are cast from text.
    types = {
        name: stamp if kind == "TIMESTAMP" else kinds.get(kind, pa.string())
        for name, kind in columns.items()
    }
    arrow = pa.table(
        {
            name: pa.array(
                [read_value("STRING", v) if kind == pa.string() else v for v in values], kind
            )
            for name, kind in types.items()
            for values in [[row.get(name) for row in rows]]
        }
    )
    frame = spark.createDataFrame(arrow)
    return frame.selectExpr(
        *(f"try_cast({name} AS {kind}) AS {name}" for name, kind in columns.items())
    )


def merge_labels(
    spark: "SparkSession",
    problem: Problem,
    qualify_log: Qualify,
    qualify_source: Qualify,
    as_of: datetime,
) -> None:
    """Upsert the labelled table: new rows, and labels that became known or were corrected.

    Rows that batch scores again are left out: after a promotion it scores a month again, which
    would outweigh a week of live rows.

    Labels known before `as_of` are joined. `qualify_log` and `qualify_source` return the full names
    of tables of the log and of sources.
    """
    label = problem.label
    same = " AND ".join(f"l.{key} = o.{key}" for key in problem.keys)
    keys = ", ".join(problem.keys)
    again = " AND ".join(f"l.{key} = f.{key}" for key in problem.keys)
    columns = list(log_columns(problem))
    rows = spark.sql(
        f"SELECT {', '.join(f'l.{name}' for name in columns)}, "
        f"{write_label(problem, f'o.{label.column}')} AS {LABEL}, "
        f"CASE WHEN o.{label.column} IS NOT NULL THEN o.{label.known_at} END AS {LABEL_KNOWN_AT} "
        f"FROM {qualify_log(LOG)} l "
        f"LEFT JOIN (SELECT * FROM {qualify_source(label.source)} WHERE {label.where} "
        f"AND {label.known_at} < CAST(:as_of AS TIMESTAMP)) o ON {same} "
        f"LEFT ANTI JOIN (SELECT {keys}, min(scored_at) AS first_at FROM {qualify_log(LOG)} "
        f"WHERE source = '{BATCH}' GROUP BY {keys}) f "
        f"ON {again} AND l.source = '{BATCH}' AND l.scored_at > f.first_at",
        args={"as_of": as_of.isoformat()},
    )
    rows.createOrReplaceTempView("labelled_rows")
    listed = ", ".join(rows.columns)
    values = ", ".join(f"new.{name}" for name in rows.columns)
    spark.sql(
        f"MERGE INTO {qualify_log(LABELLED)} old USING labelled_rows new "
        f"ON old.row_id = new.row_id "
        f"WHEN MATCHED AND NOT (old.{LABEL} <=> new.{LABEL}) THEN UPDATE SET "
        f"{LABEL} = new.{LABEL}, {LABEL_KNOWN_AT} = new.{LABEL_KNOWN_AT} "
        f"WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({values})"
    )


def write_validated(
    spark: "SparkSession",
    problem: Problem,
    table: str,
    rows: pd.DataFrame,
    model: str,
    version: int,
    threshold: float,
) -> None:
    """Replace the rows that a version was validated on.

    `rows` have keys, decision time, features, label and `prediction`; scores from `threshold` on
    are class 1. The table is created if it does not exist.
    """
    columns = baseline_columns(problem)
    create_shape(spark, table, columns)
    wanted = dict.fromkeys((*problem.keys, problem.spine.decision_at, *problem.feature_columns))
    frame = rows[[*wanted]].assign(
        score=rows["prediction"].astype(float), _label=rows[problem.label.column].astype(float)
    )
    keys = ", ".join(f"CAST({key} AS STRING)" for key in problem.keys)
    values = {
        "row_id": f"concat_ws('|', {keys}, '{version}')",
        "features_from": f"'{FROM_BATCH}'",
        "prediction": write_prediction(problem, "score", threshold),
        "model_name": f"'{model}'",
        "model_version": f"'{version}'",
        "source": f"'{VALIDATION}'",
        LABEL: write_label(problem, "_label"),
        LABEL_KNOWN_AT: "NULL",
    }
    listed = (
        f"CAST({values.get(name, name)} AS {kind}) AS {name}" for name, kind in columns.items()
    )
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    spark.createDataFrame(arrow).selectExpr(*listed).createOrReplaceTempView("validated_rows")
    # Added columns come last; former features are NULL.
    there = spark.table(table).columns
    listed_there = ", ".join(name if name in columns else f"NULL AS {name}" for name in there)
    spark.sql(
        f"INSERT INTO {table} REPLACE WHERE model_version = '{version}' "
        f"SELECT {listed_there} FROM validated_rows"
    )


def cast_features(problem: Problem, features: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return features in the log's types, without values of another type."""
    types = feature_types(problem)
    return {name: read_value(kind, features.get(name)) for name, kind in types.items()}
