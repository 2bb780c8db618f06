"""Ask the serving endpoint about flights that are about to depart.

Reaches a workspace as any client does, by DATABRICKS_HOST and DATABRICKS_TOKEN; `laptop up`
prints them for the laptop's.
"""

import os
from typing import Any

from databricks.sdk import WorkspaceClient

# A flight without an aircraft yet has the one that `flights` writes where there is none: a missing
# key would make the endpoint refuse the request. Times are in UTC without a zone, which a result of
# SQL would bring. Online features have no time: `features_at` is in the schema, and ignored.
FLIGHTS = """
SELECT s.flight_id, s.carrier, s.origin, s.dest, coalesce(f.tailnum, 'unknown') AS tailnum,
  CAST(s.decision_at AS STRING) AS decision_at, CAST(s.decision_at AS STRING) AS features_at
FROM {schema}.schedule s LEFT JOIN {schema}.flights f ON s.flight_id = f.flight_id
ORDER BY s.decision_at DESC LIMIT 5
"""


def main() -> None:
    """Take the last flights of the timetable and print how likely each is to be late."""
    workspace = WorkspaceClient()
    names = [endpoint.name for endpoint in workspace.serving_endpoints.list() if endpoint.name]
    if not names:
        raise SystemExit("No endpoint is there yet. Next: run the job model_training.")
    served = workspace.serving_endpoints.get(names[0]).as_dict()["config"]["served_entities"][0]
    flights = read_rows(workspace, FLIGHTS.format(schema=served["entity_name"].rpartition(".")[0]))
    answer = workspace.serving_endpoints.query(name=names[0], dataframe_records=flights)
    print(f"{names[0]}, version {served['entity_version']}, answers:")
    for flight, prediction in zip(flights, answer.predictions or [], strict=True):
        due = flight["decision_at"][:16]
        number = flight["flight_id"].split("-")[-2]
        route = f"{flight['carrier']} {number} {flight['origin']} → {flight['dest']}"
        print(f"  {due} UTC  {route:22} late with probability {prediction:.2f}")


def read_rows(workspace: WorkspaceClient, statement: str) -> list[dict[str, Any]]:
    """Run a statement and return its rows; values come as text."""
    answer = workspace.statement_execution.execute_statement(
        statement=statement, warehouse_id=os.environ.get("WAREHOUSE_ID", "laptop")
    ).as_dict()
    if answer["status"]["state"] != "SUCCEEDED":
        raise SystemExit(f"The flights could not be read: {answer['status']}")
    names = [column["name"] for column in answer["manifest"]["schema"]["columns"]]
    return [dict(zip(names, row, strict=True)) for row in answer["result"]["data_array"]]


if __name__ == "__main__":
    main()
