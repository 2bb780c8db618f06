"""Task: send predictions to the outputs of conf/outputs.yml, each once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..config.outputs import load_outputs
from ..lakehouse.context import Lakehouse
from ..lakehouse.errors import OutputError
from ..lakehouse.feature_tables import ensure_feature_table
from ..lakehouse.online_store import publish_features, read_sync, require_online_store
from ..lakehouse.tables import require_columns
from ..lakehouse.volumes import read_manifest, require_volume, volume_path, write_folder
from ..lakehouse.watermarks import (
    PUBLISHED,
    advance_watermarks,
    forget_watermark,
    read_watermarks,
)
from ..problem import PROBLEM
from ..spec.inference_log import PREDICTIONS
from ..spec.tables import WATERMARKS
from .batch_inference import COLUMNS, REMEDY
from .parameters import FullName, Instant, Parameters, SchemaName, in_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LATEST = "latest_predictions"
# Columns that identify a prediction of a key.
ORIGIN = ("model_name", "model_version", "scored_at")
SHOWN = (*PROBLEM.keys, PROBLEM.spine.decision_at, "prediction", *ORIGIN)


class OutputParameters(Parameters):
    """Parameters of the outputs task.

    Attributes:
        volume: Full name of the volume for files.
        online_store: Online store for predictions; empty without one.
        jdbc_connection: JDBC connection in Unity Catalog; empty without one.
    """

    target: SchemaName
    volume: FullName
    online_store: str = ""
    jdbc_connection: str = ""
    scored_at: Instant


@dataclass(frozen=True)
class Scored:
    """Predictions of one run of batch_inference.

    Attributes:
        at: Start of the run, the timestamp of its rows.
    """

    at: datetime
    rows: int
    versions: list[int]

    @property
    def folder(self) -> str:
        """Name of the folder of its files, which a repeated run replaces."""
        return f"run={self.at:%Y%m%dT%H%M%S.%fZ}"


def run(parameters: OutputParameters, lakehouse: Lakehouse) -> None:
    """Send the predictions that are not sent yet; outputs fail independently.

    The predictions are read from their table, so the next run completes a killed one.

    Raises:
        SchemaChangedError: The table has the schema of another version of the project.
        OutputError: One or more outputs failed; the others have their predictions.
    """
    outputs = load_outputs()
    table = in_schema(parameters.target, PREDICTIONS)
    if not lakehouse.spark.catalog.tableExists(table):
        print(f"{table} does not exist yet: nothing is sent.")
        return
    require_columns(lakehouse.spark, table, COLUMNS, REMEDY)
    since = outputs.send_from(parameters.scored_at)
    failures = []
    for name, wanted, send in (
        ("files", outputs.files != "none", send_files),
        ("jdbc", outputs.jdbc is not None, send_jdbc),
        ("online", outputs.online, send_online),
    ):
        if not wanted:
            print(f"{name}: not configured in conf/outputs.yml, skipped")
            continue
        try:
            for line in send(parameters, lakehouse, table, since):
                print(f"{name}: {line}")
        # Try the remaining outputs, then fail the task.
        except Exception as error:
            print(f"{name}: {error}")
            failures.append(error)
    if failures:
        raise OutputError(" ".join(map(str, failures))) from failures[0]


def send_files(
    parameters: OutputParameters, lakehouse: Lakehouse, table: str, since: datetime
) -> Iterator[str]:
    """Write a folder for each run without a complete one.

    Yields:
        A message for each written folder, or one message if there is nothing to write.

    Raises:
        OutputError: There is no volume, or files cannot be written.
    """
    spark, workspace, form = lakehouse.spark, lakehouse.workspace, load_outputs().files
    require_volume(workspace, parameters.volume)
    root = f"{volume_path(parameters.volume)}/{PREDICTIONS}"
    written = 0
    for scored in read_runs(spark, table, since):
        described = describe(table, scored, form)
        folder = f"{root}/{scored.folder}"
        there = read_manifest(workspace, folder) or {}
        if {key: there.get(key) for key in described} != described:
            rows = select_run(spark, table, scored).select(*COLUMNS)
            write_folder(spark, workspace, folder, rows, form, described)
            yield f"{scored.rows:,} predictions written to {folder}"
            written += 1
    if not written:
        yield f"{root} has all predictions since {since:%Y-%m-%d %H:%M} UTC"


def describe(table: str, scored: Scored, form: str) -> dict[str, Any]:
    """Return the manifest of a run's folder."""
    return {
        "table": table,
        "scored_at": scored.at.isoformat(),
        "model_versions": scored.versions,
        "rows": scored.rows,
        "format": form,
        "columns": dict(COLUMNS),
    }


def read_runs(spark: "SparkSession", table: str, since: datetime) -> list[Scored]:
    """Return the runs since an instant that have predictions, oldest first."""
    found = spark.sql(
        "SELECT unix_micros(scored_at) AS micros, count(*) AS rows, "
        "sort_array(collect_set(model_version)) AS versions "
        f"FROM {table} WHERE scored_at >= :since GROUP BY 1 ORDER BY 1",
        args={"since": since},
    ).collect()
    return [
        Scored(datetime.fromtimestamp(row.micros / 1e6, UTC), int(row["rows"]), list(row.versions))
        for row in found
    ]


def select_run(spark: "SparkSession", table: str, scored: Scored) -> "DataFrame":
    """Return the predictions of a run."""
    from pyspark.sql import functions as F  # noqa: N812

    return spark.table(table).where(F.col("scored_at") == F.lit(scored.at).cast("timestamp"))


def send_jdbc(
    parameters: OutputParameters, lakehouse: Lakehouse, table: str, since: datetime
) -> Iterator[str]:
    """Call `jdbc_output.send_jdbc`, which not all projects have.

    Raises:
        OutputError: This project does not have it.
    """
    name = f"{__package__}.jdbc_output"
    if find_spec(name) is None:
        raise OutputError("This project has no output jdbc: remove it from conf/outputs.yml.")
    yield from import_module(name).send_jdbc(parameters, lakehouse, table, since)


def send_online(
    parameters: OutputParameters, lakehouse: Lakehouse, table: str, since: datetime
) -> Iterator[str]:
    """Update the table of the latest prediction of each key, and publish it.

    Yields:
        A message about the online table.

    Raises:
        OnlineStoreMissingError: No name is given, or the store does not exist.
        PublicationError: The table was not published.
    """
    spark, latest = lakehouse.spark, in_schema(parameters.target, LATEST)
    require_online_store(lakehouse.feature_store, parameters.online_store)
    rows = select_latest(spark, table, since)
    ensure_feature_table(
        lakehouse,
        latest,
        rows,
        primary_keys=tuple(PROBLEM.keys),
        timeseries_column=None,
        description="The latest prediction of each key.",
        remedy=f"Drop {latest}, then run batch_inference: it creates the table again.",
    )
    watermarks, same = in_schema(parameters.target, WATERMARKS), [*PROBLEM.keys, *ORIGIN]
    new = rows.join(spark.table(latest).select(*same), same, "left_anti")
    if not new.isEmpty():
        # A new table may be behind the online one. First, so that a retry completes a killed run.
        forget_watermark(spark, watermarks, PUBLISHED, LATEST)
        lakehouse.feature_store.write_table(name=latest, df=new.select(*SHOWN), mode="merge")
    (newest,) = spark.sql(f"SELECT unix_micros(max(scored_at)) AS micros FROM {latest}").collect()
    if newest.micros is None:
        yield f"{table} has no predictions yet"
        return
    as_of = datetime.fromtimestamp(newest.micros / 1e6, UTC)
    published = read_watermarks(spark, watermarks, PUBLISHED).get(LATEST)
    online = f"{latest}_online"
    if published == as_of and read_sync(lakehouse.workspace, online) is not None:
        yield f"{online} shows all predictions up to {as_of:%Y-%m-%d %H:%M} UTC"
        return
    publish_features(lakehouse, parameters.online_store, [latest])
    advance_watermarks(spark, watermarks, PUBLISHED, [LATEST], as_of)
    yield f"{online} shows the predictions up to {as_of:%Y-%m-%d %H:%M} UTC"


def select_latest(spark: "SparkSession", table: str, since: datetime) -> "DataFrame":
    """Return the latest prediction of each key that was scored since an instant."""
    keys = ", ".join(PROBLEM.keys)
    return spark.sql(
        f"SELECT {', '.join(SHOWN)} FROM (SELECT *, row_number() OVER (PARTITION BY {keys} "
        "ORDER BY scored_at DESC, model_name, model_version DESC) AS place "
        f"FROM {table} WHERE scored_at >= :since) WHERE place = 1",
        args={"since": since},
    )


def main() -> None:
    """Run the task from its command line."""
    run(OutputParameters.parse(), Lakehouse())
