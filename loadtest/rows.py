"""Rows for requests to an endpoint: the latest ones, as its callers would send them.

They are read from the project's table. The endpoint's OpenAPI schema has names and types but no
keys of the online features, and look-ups that find nothing are another load.
"""

import json
from typing import Any

from databricks.sdk import WorkspaceClient

from flight_delays.problem import PROBLEM
from flight_delays.spec.problem import FEATURES_AT

from delivery.statements import run_statement


def read_rows(workspace: WorkspaceClient, schema: str, most: int) -> list[dict[str, Any]]:
    """Return the latest input rows as JSON values.

    Args:
        workspace: The workspace.
        schema: Schema of the project's tables, with its catalog.
        most: Maximum number of rows.
    """
    at, source = PROBLEM.spine.decision_at, PROBLEM.spine.source
    # Times of a request are UTC, as text without a zone. Online features have no time: FEATURES_AT
    # is in the schema, and ignored.
    times = f"CAST({at} AS STRING) AS {at}, CAST({at} AS STRING) AS {FEATURES_AT}"
    others = [name for name in PROBLEM.columns if name not in (at, FEATURES_AT)]
    columns = [*others, at, FEATURES_AT]
    found = run_statement(
        workspace,
        f"SELECT to_json(struct(*)) AS row FROM (SELECT {', '.join([*others, times])} "
        f"FROM {schema}.{source} ORDER BY {at} DESC, {', '.join(PROBLEM.keys)} LIMIT {most})",
    )
    # Spark omits NULL from JSON; the model needs all columns.
    rows = (json.loads(each["row"]) for each in found)
    return [{name: row.get(name) for name in columns} for row in rows]
