"""The output `jdbc` of conf/outputs.yml: predictions in a table of another database."""

from collections.abc import Iterator
from datetime import datetime

from ..config.outputs import load_outputs
from ..lakehouse.context import Lakehouse
from ..lakehouse.errors import OutputError
from ..lakehouse.jdbc import JdbcTable, append_runs
from .outputs import SHOWN, OutputParameters, read_runs, select_run


def send_jdbc(
    parameters: OutputParameters, lakehouse: Lakehouse, table: str, since: datetime
) -> Iterator[str]:
    """Append the runs that are missing in the table of another database.

    Yields:
        A message for each appended run, or one message if there is nothing to append.

    Raises:
        OutputError: The job has no connection, rows cannot be appended, or the table holds a part
            of a run.
    """
    spark, configured = lakehouse.spark, load_outputs().jdbc
    if not parameters.jdbc_connection:
        raise OutputError(
            f"conf/outputs.yml names the table {configured}, but the job has no connection. Set "
            "the variable jdbc_connection of this target in databricks.yml: see docs/outputs.md."
        )
    runs = {scored.at: scored for scored in read_runs(spark, table, since)}
    if configured is None or not runs:
        yield f"{table} has no predictions since {since:%Y-%m-%d %H:%M} UTC"
        return
    yield from append_runs(
        lakehouse,
        JdbcTable(parameters.jdbc_connection, configured),
        "scored_at",
        {at: scored.rows for at, scored in runs.items()},
        lambda at: select_run(spark, table, runs[at]).select(*SHOWN),
    )
