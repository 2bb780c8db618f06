"""A version that gets its traffic by degrees beside the Champion, and a rollback by hand."""

from collections.abc import Iterator

import pytest
from databricks.sdk import WorkspaceClient

from flight_delays.lakehouse.endpoint import endpoint_name, read_configuration, read_settled

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy

ENDPOINT = endpoint_name(MODEL)

REGISTER = f"""
import mlflow
client = mlflow.MlflowClient()
first = client.get_model_version({MODEL!r}, "1")
made = mlflow.register_model(first.source, {MODEL!r})
tags = {{**first.tags, "decision": "promote", "previous_champion": "1"}}
for key, value in tags.items():
    client.set_model_version_tag({MODEL!r}, made.version, key, value)
client.set_registered_model_alias({MODEL!r}, "Challenger", made.version)
"""

ROLL_OUT = f"""
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import rollout
rollout.run(rollout.RolloutParameters.parse([
    "--model={MODEL}", "--source={SCHEMA}", "--target={SCHEMA}", "--policy=policy_small",
    "--rollout=rollout_small", "--started_at=", "--job_run=1",
]), Lakehouse())
"""


@pytest.fixture
def laptop(trained_state, tmp_path) -> Iterator[Laptop]:
    with open_copy(trained_state, tmp_path) as laptop:
        laptop.execute(REGISTER)
        yield laptop


def shares(laptop: Laptop) -> dict[str, int]:
    environment = laptop.environment()
    workspace = WorkspaceClient(
        host=environment["DATABRICKS_HOST"], token=environment["DATABRICKS_TOKEN"]
    )
    standing = read_settled(workspace, ENDPOINT)
    return {part.entity.entity_version or "": part.share for part in read_configuration(standing)}


def test_good_version_gets_all_traffic_by_degrees(laptop: Laptop) -> None:
    printed = laptop.execute(ROLL_OUT)
    print(printed)
    assert shares(laptop) == {"2": 100}
