"""Ask the serving endpoint about flights that are about to depart.

Reaches a workspace as any client does, by DATABRICKS_HOST and DATABRICKS_TOKEN; `laptop up`
prints them for the laptop's.
"""

import os

from databricks.sdk import WorkspaceClient
from databricks.sdk.service.sql import StatementState

FLIGHTS = """
SELECT s.time_hour, s.carrier, s.flight, s.origin, s.dest, f.tailnum, s.decision_at
FROM {schema}.schedule s LEFT JOIN {schema}.flights f
  ON s.time_hour = f.time_hour AND s.carrier = f.carrier
  AND s.flight = f.flight AND s.origin = f.origin
ORDER BY s.decision_at DESC LIMIT 5
"""


def main() -> None:
    """Take the last flights of the timetable and print how likely each is to be late."""
    workspace = WorkspaceClient()
    endpoints = [each.name for each in workspace.serving_endpoints.list() if each.name]
    if not endpoints:
        raise SystemExit("No endpoint is there yet. Run the job model_training first.")
    endpoint = workspace.serving_endpoints.get(endpoints[0])
    assert endpoint.config and endpoint.config.served_entities
    model = endpoint.config.served_entities[0].entity_name or ""
    answer = workspace.statement_execution.execute_statement(
        statement=FLIGHTS.format(schema=model.rpartition(".")[0]),
        warehouse_id=os.environ.get("WAREHOUSE_ID", "laptop"),
    )
    if not answer.status or answer.status.state != StatementState.SUCCEEDED:
        raise SystemExit(f"The flights could not be read: {answer.status}")
    assert answer.manifest and answer.manifest.schema and answer.manifest.schema.columns
    names = [column.name or "" for column in answer.manifest.schema.columns]
    rows = (answer.result.data_array if answer.result else None) or []
    flights = [dict(zip(names, row, strict=True)) for row in rows]
    for flight in flights:
        flight["flight"] = int(flight["flight"])  # type: ignore[assignment]
    predictions = (
        workspace.serving_endpoints.query(
            name=endpoints[0], dataframe_records=flights
        ).predictions
        or []
    )
    print(f"{endpoints[0]}, {endpoint.config.served_entities[0].entity_version}")
    for flight, prediction in zip(flights, predictions, strict=True):
        route = f"{flight['carrier']} {flight['flight']} {flight['origin']} → {flight['dest']}"
        print(f"  {flight['decision_at']}  {route:24} late with probability {prediction:.2f}")


if __name__ == "__main__":
    main()
