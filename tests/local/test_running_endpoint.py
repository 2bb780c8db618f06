"""The Champion's endpoint, on a small sample."""

import json

from databricks.sdk import WorkspaceClient

from flight_delays.config.serving import load_serving
from flight_delays.lakehouse.endpoint import endpoint_name
from flight_delays.problem import PROBLEM

from tests.conftest import MODEL, SCHEMA, Laptop

ENDPOINT = endpoint_name(MODEL)

ASK = """
import json
from databricks.sdk import WorkspaceClient
from databricks.sdk.runtime import spark
from flight_delays.lakehouse.served_version import as_records
from flight_delays.spec.problem import FEATURES_AT
from flight_delays.problem import PROBLEM

spine = PROBLEM.spine
columns = [column for column in PROBLEM.columns if column != FEATURES_AT]
rows = spark.sql(
    f"SELECT {{', '.join(columns)}}, {{spine.decision_at}} AS {{FEATURES_AT}} "
    f"FROM {schema}.{{spine.source}} "
    f"ORDER BY {{spine.decision_at}} DESC, {{', '.join(PROBLEM.keys)}} LIMIT 20"
)
records = as_records(rows.toPandas())
answer = WorkspaceClient().serving_endpoints.query({endpoint!r}, dataframe_records=records)
print(json.dumps(answer.predictions))
"""

# The Challenger is already the Champion: deploy only updates the endpoint.
DEPLOY = f"""
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.errors import OnlineStoreMissingError
from flight_delays.tasks import deploy

ARGUMENTS = [
    "--model_uri=models:/{MODEL}/1", "--source={SCHEMA}", "--policy=policy_small",
]
"""


def read_size(laptop: Laptop) -> list[tuple[str | None, bool | None]]:
    environment = laptop.environment()
    workspace = WorkspaceClient(
        host=environment["DATABRICKS_HOST"], token=environment["DATABRICKS_TOKEN"]
    )
    config = workspace.serving_endpoints.get(ENDPOINT).config
    assert config is not None
    return [
        (entity.workload_size, entity.scale_to_zero_enabled)
        for entity in config.served_entities or []
    ]


def test_endpoint_serves_first_champion(trained: Laptop) -> None:
    assert trained.status()["endpoints"] == [
        {
            "name": ENDPOINT,
            "state": "READY",
            "served": [
                {"entity_name": MODEL, "entity_version": "1", "traffic_percentage": 100},
            ],
        }
    ]


def test_endpoint_returns_one_prediction_per_row(trained: Laptop) -> None:
    printed = trained.execute(ASK.format(endpoint=ENDPOINT, schema=SCHEMA))
    served = json.loads(printed.splitlines()[-1])
    assert len(served) == 20
    assert all(isinstance(value, float) and PROBLEM.model_type.allows(value) for value in served)
    assert len(set(served)) > 1


def test_deploy_resizes_endpoint(trained: Laptop) -> None:
    configured = load_serving()
    sized = [(configured.workload_size, configured.scale_to_zero)]
    assert read_size(trained) == sized
    trained.execute(
        """
from databricks.sdk import WorkspaceClient
from flight_delays.lakehouse.endpoint import (
    Size, describe_entity, endpoint_name, send_configuration, serve_alone,
)
from flight_delays.lakehouse.registry import read_version
import mlflow

version = read_version(mlflow.MlflowClient(), MODEL, 1)
large = serve_alone(describe_entity(version, Size("Large", scale_to_zero=False)))
send_configuration(WorkspaceClient(), endpoint_name(MODEL), large)
""".replace("MODEL", repr(MODEL))
    )
    assert read_size(trained) == [("Large", False)]
    trained.execute(
        DEPLOY
        + 'arguments = [*ARGUMENTS, "--online_store=online-store"]\n'
        + "deploy.run(deploy.DeployParameters.parse(arguments), Lakehouse())"
    )
    assert read_size(trained) == sized


def test_deploy_fails_without_online_store(trained: Laptop) -> None:
    printed = trained.execute(
        DEPLOY
        + """
try:
    deploy.run(deploy.DeployParameters.parse(ARGUMENTS), Lakehouse())
except OnlineStoreMissingError as error:
    print(error)
"""
    )
    assert "no online store is named" in printed
    assert "online_store" in printed
