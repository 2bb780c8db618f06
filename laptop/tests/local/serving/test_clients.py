import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import (
    EndpointStateConfigUpdate,
    ServedEntityInput,
    ServingEndpointsAPI,
)
from laptop import connection
from laptop.connection import Connection
from laptop.workspace import server
from mlflow.deployments import BaseDeploymentClient, get_deploy_client
from mlflow.models import infer_signature
from requests import HTTPError
from sklearn.linear_model import LinearRegression

from ...conftest import Toy, alive, until
from .conftest import MODEL, ROW, Workspace, config, entity, pointed, quietly


def served(version: str) -> dict[str, Any]:
    return {"served_entities": [{"entity_name": MODEL, "entity_version": version, "name": "one"}]}


@pytest.fixture
def deployments(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BaseDeploymentClient]:
    with workspace.up():
        monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", "token")
        yield get_deploy_client("databricks")  # type: ignore[no-untyped-call]


def test_mlflow_s_deployment_client_creates_asks_updates_and_deletes(deployments: Any) -> None:
    deployments.create_endpoint(config={"name": "delay", "config": served("1")})
    until(lambda: deployments.get_endpoint("delay").state.ready == "READY")

    answer = deployments.predict(endpoint="delay", inputs={"dataframe_records": [ROW]})
    assert answer == {"predictions": pytest.approx([1420.0])}

    deployments.update_endpoint_config(endpoint="delay", config=served("2"))
    until(lambda: deployments.get_endpoint("delay").state.config_update == "NOT_UPDATING")
    answer = deployments.predict(endpoint="delay", inputs={"instances": [ROW]})
    assert answer.predictions == pytest.approx([2420.0])

    deployments.update_endpoint_tags(
        endpoint="delay", config={"add_tags": [{"key": "team", "value": "a"}]}
    )
    (listed,) = deployments.list_endpoints()
    assert (listed["name"], listed["tags"]) == ("delay", [{"key": "team", "value": "a"}])
    with pytest.raises(HTTPError, match="exactly one of the input fields"):
        deployments.predict(endpoint="delay", inputs={"rows": []})
    deployments.delete_endpoint("delay")
    assert deployments.list_endpoints() == []


@pytest.mark.parametrize(
    ("authorization", "status"), [("", 401), ("Bearer wrong", 401), ("Bearer {token}", 404)]
)
def test_nothing_is_scored_without_the_token(
    there: Connection, authorization: str, status: int
) -> None:
    request = urllib.request.Request(
        f"{there.address}/serving-endpoints/other/invocations",
        json.dumps({"dataframe_records": [ROW]}).encode(),
        {
            "Content-Type": "application/json",
            "Authorization": authorization.format(token=there.token),
        },
    )

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)

    with caught.value as refused:
        assert refused.code == status
        expected = {401: "UNAUTHENTICATED", 404: "RESOURCE_DOES_NOT_EXIST"}[status]
        assert json.loads(refused.read())["error_code"] == expected


def register(intercept: float) -> str:
    """Register a version that answers with this number whatever it is asked."""
    rows = pd.DataFrame({"x": [0.0, 1.0]})
    model = LinearRegression().fit(rows, [intercept, intercept])
    with quietly():
        info = mlflow.sklearn.log_model(
            model,
            name="line",
            signature=infer_signature(rows, model.predict(rows)),
            pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
        )
        return str(mlflow.register_model(info.model_uri, "dev.shop.line").version)


def line(version: str) -> ServedEntityInput:
    return entity(version, entity_name="dev.shop.line")


def killed(toy: Toy) -> None:
    """Kill a toy's workspace, and wait until it is gone."""
    pid = toy.open().pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))


@pytest.mark.nightly
@pytest.mark.parametrize("version", ["2", "99"])
def test_a_workspace_killed_during_an_update_completes_or_fails_it_when_it_is_back(
    lonely: Toy, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endpoints() -> ServingEndpointsAPI:
        there = lonely.open()
        return WorkspaceClient(host=there.address, token=there.token).serving_endpoints

    def state() -> EndpointStateConfigUpdate | None:
        shown = endpoints().get("line").state
        assert shown is not None
        return shown.config_update

    def ask() -> list[Any] | None:
        return endpoints().query("line", dataframe_records=[{"x": 1.0}]).predictions

    # No task runs here.
    monkeypatch.setenv("LAPTOP_NO_FORK", "1")
    lonely.open().ask(
        "POST", "/api/2.1/unity-catalog/schemas", {"catalog_name": "dev", "name": "shop"}
    )
    with pointed(f"laptop://{lonely.state_dir.path}"):
        mlflow.set_experiment("/Shared/line")
        register(1.0)
        register(2.0)
    endpoints().create_and_wait("line", config=config(line("1")))
    connection.stop(lonely.state_dir)
    monkeypatch.setenv("LAPTOP_SERVING_DELAY", "600")
    endpoints().update_config("line", served_entities=[line(version)])
    assert state() == EndpointStateConfigUpdate.IN_PROGRESS
    killed(lonely)

    lonely.open()
    assert state() == EndpointStateConfigUpdate.IN_PROGRESS
    assert ask() == pytest.approx([1.0])
    connection.stop(lonely.state_dir)
    monkeypatch.setenv("LAPTOP_SERVING_DELAY", "0")
    until(lambda: state() != EndpointStateConfigUpdate.IN_PROGRESS)

    assert (
        state()
        == {
            "2": EndpointStateConfigUpdate.NOT_UPDATING,
            "99": EndpointStateConfigUpdate.UPDATE_FAILED,
        }[version]
    )
    assert ask() == pytest.approx([{"2": 2.0, "99": 1.0}[version]])


@pytest.mark.parametrize("delay", ["soon", "-1", "nan", "1e3", ""])
def test_a_delay_that_is_no_number_of_seconds_is_refused(
    tmp_path: Path, delay: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAPTOP_SERVING_DELAY", delay)

    with pytest.raises(SystemExit):
        server.main([str(tmp_path / "state_dir")])

    assert f"a number such as 2.5, got: {delay}." in capsys.readouterr().err
    assert not (tmp_path / "state_dir").exists()
