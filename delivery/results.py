"""Writing of test results to the target's table."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from databricks.sdk import WorkspaceClient

from flight_delays.lakehouse.results import COLUMNS, MEASURED, TESTS

from .commands import read_commit, run_statement

LONGEST = 2000


@dataclass(frozen=True)
class Result:
    """Result of a test; the fields are columns of the table.

    Attributes:
        suite: `integration` or `load`.
        outcome: `passed`, `failed`, `skipped`, or `measured` without a limit.
        detail: Why the test failed or was skipped.
    """

    suite: str
    test_name: str
    outcome: str
    seconds: float
    value: float | None = None
    threshold: float | None = None
    detail: str = ""


def write_results(
    workspace: WorkspaceClient, schema: str, run: str, results: Sequence[Result]
) -> str:
    """Add the results of a run to the table, all or none, and return the table's full name.

    `schema` has its catalog; `run` is unique, of letters, digits, hyphens and underscores.

    Raises:
        DeliveryError: Nothing was written.
    """
    table = f"{schema}.{TESTS}"
    run_statement(workspace, f"CREATE TABLE IF NOT EXISTS {table} ({COLUMNS[TESTS]}) USING DELTA")
    rows = json.dumps([{**asdict(each), "detail": each.detail[:LONGEST]} for each in results])
    literal = rows.replace("\\", "\\\\").replace("'", "\\'")
    fields = re.sub(r"(\w+) (\w+)", r"\1:\2", MEASURED)
    run_statement(
        workspace,
        f"INSERT INTO {table} SELECT r.*, '{run}', '{read_commit()}', current_timestamp() "
        f"FROM (SELECT explode(from_json('{literal}', 'array<struct<{fields}>>')) AS r)",
    )
    return table
