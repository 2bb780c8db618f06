"""Query the project's serving endpoint for predictions of the latest rows.

If there are several endpoints, name one on the command line; by default the one that serves a model
of the project's schema is queried.

The workspace is given by DATABRICKS_HOST and DATABRICKS_TOKEN; `laptop up` prints those of the
laptop.
"""

import json
import os
import sys
from typing import Any

from databricks.sdk import WorkspaceClient

from flight_delays.problem import PROBLEM
from flight_delays.spec.problem import FEATURES_AT

SCHEMA = "flight_delays"
KEYS, AT = list(PROBLEM.keys), PROBLEM.spine.decision_at
# Times are UTC without a zone, as text. Online features have no time: `features_at` is in the
# schema, and ignored.
TIMES = f"CAST({AT} AS STRING) AS {AT}, CAST({AT} AS STRING) AS {FEATURES_AT}"
OTHERS = ", ".join(name for name in PROBLEM.columns if name not in (AT, FEATURES_AT))
LATEST = f"""
SELECT to_json(struct(*)) AS row FROM (
  SELECT {OTHERS}, {TIMES} FROM {{schema}}.{PROBLEM.spine.source} ORDER BY {AT} DESC LIMIT 5
)
"""


def main() -> None:
    """Send the latest rows and print a prediction for each."""
    workspace = WorkspaceClient()
    name = sys.argv[1] if sys.argv[1:] else find_endpoint(workspace)
    served = workspace.serving_endpoints.get(name).as_dict()["config"]["served_entities"][0]
    rows = read_rows(workspace, LATEST.format(schema=served["entity_name"].rpartition(".")[0]))
    answer = workspace.serving_endpoints.query(name=name, dataframe_records=rows)
    print(f"{name}, version {served['entity_version']}. {PROBLEM.description}")
    for row, prediction in zip(rows, answer.predictions or [], strict=True):
        key = ", ".join(str(row[name]) for name in KEYS)
        print(f"  {row[AT][:16]} UTC  {key:32} {prediction:.2f}")


def find_endpoint(workspace: WorkspaceClient) -> str:
    """Return the name of the only endpoint that serves a model of the project's schema."""
    found = {}
    for endpoint in workspace.serving_endpoints.list():
        entities = endpoint.as_dict().get("config", {}).get("served_entities", [])
        found[str(endpoint.name)] = [each.get("entity_name", "").split(".") for each in entities]
    if not found:
        raise SystemExit("No endpoint is there yet. Next: run the job model_training.")
    own = [
        name
        for name, models in found.items()
        if any(len(model) == 3 and model[1].endswith(SCHEMA) for model in models)
    ]
    if len(own) != 1:
        raise SystemExit(
            f"{len(own)} endpoints serve a model of a schema {SCHEMA}. Name one on the command "
            f"line: {', '.join(sorted(found))}"
        )
    return own[0]


def read_rows(workspace: WorkspaceClient, statement: str) -> list[dict[str, Any]]:
    """Run a statement with rows in JSON, and return them as dictionaries."""
    answer = workspace.statement_execution.execute_statement(
        statement=statement, warehouse_id=os.environ.get("WAREHOUSE_ID", "laptop")
    ).as_dict()
    if answer["status"]["state"] != "SUCCEEDED":
        raise SystemExit(f"The rows could not be read: {answer['status']}")
    return [json.loads(text) for (text,) in answer["result"]["data_array"]]


if __name__ == "__main__":
    main()
