"""A refresh: computes the profile and the drift of a table as two Delta tables."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import custom
from .configuration import Configuration, ProfilingError
from .output import Writer
from .passes import Pass
from .schemas import drift_schema, profile_schema
from .source import Source, quote, quote_table
from .windows import DAY, Windows, micros_of

if TYPE_CHECKING:
    from datetime import datetime

    from pyspark.sql.connect.session import SparkSession

LOOK_BACK_DAYS = 30
_MICROS = 1_000_000


@dataclass(frozen=True)
class Refresh:
    """Input of one refresh.

    Attributes:
        table: Monitored table.
        output: Catalog and schema of the metric tables.
        configuration: Configuration of the profile.
        commit_version: Version of the monitored table.
        monitor_version: Version of the monitor.
        created_at: Creation time of the monitor; windows more than 30 days older are skipped.
        now: Time of the refresh.
    """

    table: str
    output: str
    configuration: Configuration
    commit_version: int
    monitor_version: int
    created_at: "datetime"
    now: "datetime"

    @property
    def profile_table(self) -> str:
        """Name of the profile table."""
        return f"{self.output}.{self.table.rpartition('.')[2]}_profile_metrics"

    @property
    def drift_table(self) -> str:
        """Name of the drift table."""
        return f"{self.output}.{self.table.rpartition('.')[2]}_drift_metrics"


class Profiler:
    """One refresh of one table.

    Args:
        session: Session on the engine.
        refresh: Input of the refresh.
        folder: Folder for temporary files.
        check: Called between steps; raises to cancel the refresh.
    """

    def __init__(
        self,
        session: "SparkSession",
        refresh: Refresh,
        folder: Path,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._session = session
        self._refresh = refresh
        self._configuration = refresh.configuration
        self._check = check
        self._folder = folder
        self._types: dict[str, str] = dict(session.table(quote_table(refresh.table)).dtypes)

    def run(self) -> str:
        """Write the metric tables and return a summary.

        Raises:
            ProfilingError: The configuration does not fit the table, or a query fails.
        """
        self._check_columns()
        self._folder.mkdir(parents=True, exist_ok=True)
        profile = Writer(self._folder / "profile.parquet", profile_schema(self._configuration))
        drift = Writer(self._folder / "drift.parquet", drift_schema(self._configuration))
        baseline = self._open_baseline()
        for granularity in self._configuration.granularities or ("",):
            rows = self._open(granularity)
            Pass(self._refresh, self._types, rows, baseline, granularity, self._check).run(
                profile, drift
            )
        profile.close()
        drift.close()
        self._check()
        # Windows of earlier snapshots cannot be recomputed.
        added = self._configuration.kind == "snapshot"
        profile.save(self._session, self._refresh.profile_table, added=added)
        # As on Databricks, there is no drift table before the first comparison.
        if drift.count:
            drift.save(self._session, self._refresh.drift_table, added=added)
        return f"{profile.count} rows of the profile and {drift.count} of the drift were written."

    def _check_columns(self) -> None:
        settings = self._configuration
        known = {column.lower() for column in self._types}
        for what, column in (
            ("timestamp_column", settings.timestamp),
            ("prediction_column", settings.prediction),
            ("label_column", settings.label),
            ("model_id_column", settings.model_id),
        ):
            if column and column.lower() not in known:
                raise ProfilingError(
                    f"{what} is {column}, which table {self._refresh.table} lacks. It has: "
                    f"{', '.join(self._types)}."
                )
        custom.check_columns(settings.metrics, list(self._types))

    def _open(self, granularity: str) -> Source:
        relation = quote_table(self._refresh.table)
        if not granularity:
            at = str(micros_of(self._refresh.now))
            return Source(self._session, relation, at, self._configuration)
        timestamp = f"CAST({quote(self._configuration.timestamp)} AS TIMESTAMP)"
        oldest = micros_of(self._refresh.created_at) - LOOK_BACK_DAYS * DAY * _MICROS
        window = Windows(granularity).sql(timestamp)
        return Source(self._session, relation, window, self._configuration, oldest)

    def _open_baseline(self) -> Source | None:
        name = self._configuration.baseline
        if not name:
            return None
        there = {column.lower() for column in self._session.table(quote_table(name)).columns}
        model = self._configuration.model_id
        if model and model.lower() not in there:
            raise ProfilingError(
                f"Baseline table {name} lacks {model}, the model_id_column. Add it."
            )
        lacking = ", ".join(
            f"CAST(NULL AS {kind}) AS {quote(column)}"
            for column, kind in self._types.items()
            if column.lower() not in there
        )
        relation = quote_table(name)
        if lacking:
            relation = f"(SELECT *, {lacking} FROM {relation})"
        at = str(micros_of(self._refresh.now))
        return Source(self._session, relation, at, self._configuration)
