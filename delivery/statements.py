"""SQL by the workspace's statement execution API."""

import time
from typing import Any

from databricks.sdk import WorkspaceClient
from databricks.sdk.service.sql import StatementState

from .commands import DeliveryError

# Starting a warehouse takes minutes.
WAREHOUSE_SECONDS = 600
WAITING = (StatementState.PENDING, StatementState.RUNNING)


def run_statement(workspace: WorkspaceClient, statement: str) -> list[dict[str, Any]]:
    """Run a statement and return its rows, with values as text.

    Raises:
        DeliveryError: There is no warehouse, or the statement failed.
    """
    statements = workspace.statement_execution
    answer = statements.execute_statement(statement, find_warehouse(workspace), wait_timeout="50s")
    until = time.monotonic() + WAREHOUSE_SECONDS
    while (state := answer.status and answer.status.state) in WAITING:
        if time.monotonic() > until:
            raise DeliveryError(f"The warehouse did not answer: {answer.status}")
        time.sleep(5)
        answer = statements.get_statement(answer.statement_id or "")
    if state != StatementState.SUCCEEDED:
        raise DeliveryError(f"The statement failed: {answer.status}\n{statement}")
    schema = answer.manifest.schema if answer.manifest else None
    names = [column.name or "" for column in (schema.columns if schema else None) or []]
    rows = (answer.result.data_array if answer.result else None) or []
    return [dict(zip(names, row, strict=True)) for row in rows]


def find_warehouse(workspace: WorkspaceClient) -> str:
    """Return the configured warehouse, else the first one that may be used.

    Raises:
        DeliveryError: There is no warehouse.
    """
    named = workspace.config.warehouse_id
    ids = [named] if named else [w.id for w in workspace.warehouses.list() if w.id]
    if not ids:
        raise DeliveryError(
            "No SQL warehouse may be used here. Name one in DATABRICKS_WAREHOUSE_ID."
        )
    return ids[0]
