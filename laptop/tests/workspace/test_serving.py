import json
import re
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import uvicorn
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    OperationFailed,
    ResourceAlreadyExists,
    ResourceConflict,
    ResourceDoesNotExist,
)
from databricks.sdk.errors import (
    NotImplemented as NotBuilt,
)
from databricks.sdk.service.serving import (
    AiGatewayConfig,
    DataframeSplitInput,
    EndpointCoreConfigInput,
    EndpointStateConfigUpdate,
    EndpointStateReady,
    EndpointTag,
    Route,
    ServedEntityInput,
    ServingEndpointsAPI,
    TrafficConfig,
)

with warnings.catch_warnings():
    # MLflow warns while it is imported, which the test run would take for an error.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
    import mlflow.store.tracking.sqlalchemy_store
from laptop.features.models import log_model
from laptop.features.online import OnlineStore
from laptop.features.spec import FeatureColumn, FeatureSpec, InputTable, SourceColumn
from laptop.features.tables import FeatureTable
from laptop.workspace import endpoint_config, identity, serving
from laptop.workspace.app import create_app
from laptop.workspace.state import State
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline

MODEL = "dev.shop.delay"
WEATHER = "dev.shop.weather"
SPEC = FeatureSpec(
    sources=(
        SourceColumn("origin", "string", include=False),
        SourceColumn("decision_at", "timestamp", include=False),
        SourceColumn("distance", "double"),
    ),
    features=(
        FeatureColumn("temp", "double", WEATHER, "temp", ("origin",), "decision_at"),
        FeatureColumn("wind", "bigint", WEATHER, "wind", ("origin",), "decision_at", "-1"),
    ),
    tables=(InputTable(WEATHER),),
)
TABLE = FeatureTable(
    name=WEATHER,
    table_id="1",
    description="",
    primary_keys=["origin"],
    timestamp_keys=["known_at"],
    features=["origin", "known_at", "temp", "wind"],
    creation_timestamp=None,
    types={"origin": "string", "known_at": "timestamp", "temp": "double", "wind": "bigint"},
    tags={},
)
NIGHT = datetime(2013, 11, 1, tzinfo=UTC)
ROW = {"origin": "EWR", "decision_at": "2013-11-01T10:00:00Z", "distance": 100.0}


def reader(intercept: float) -> Pipeline:
    """Return a model that gives `intercept + distance + 10 temp + 100 wind`; no temp is -1."""
    rows = pd.DataFrame(np.eye(4, 3), columns=["distance", "temp", "wind"])
    wanted = intercept + rows.to_numpy() @ np.array([1.0, 10.0, 100.0])
    imputer = SimpleImputer(strategy="constant", fill_value=-1.0)
    return make_pipeline(imputer, LinearRegression()).fit(rows, wanted)


def weather(temp: float, wind: int) -> pa.Table:
    known_at = pa.array([NIGHT], pa.timestamp("us", tz="UTC"))
    return pa.table({"origin": ["EWR"], "known_at": known_at, "temp": [temp], "wind": [wind]})


@dataclass
class Workspace:
    """The serving part of a workspace; it can be restarted on what it has stored."""

    home: Path
    url: str = ""

    @contextmanager
    def up(self) -> Iterator[ServingEndpointsAPI]:
        state = State(self.home)
        app = create_app()
        app.include_router(identity.router())
        app.include_router(serving.router(state))
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield WorkspaceClient(host=self.url, token="token").serving_endpoints
        finally:
            server.should_exit = True
            thread.join()
            state.close()

    def publish(self, temp: float, wind: int) -> None:
        store = OnlineStore(self.home)
        store.publish(TABLE, weather(temp, wind), store="s", online_table=f"{WEATHER}_online")
        store.close()


def register(spec: FeatureSpec, intercept: float, name: str = MODEL) -> str:
    info = log_model(
        reader(intercept),
        "model",
        mlflow.sklearn,
        spec,
        outputs=Schema([ColSpec("double")]),
        example=pa.table({"origin": ["EWR"], "decision_at": [NIGHT], "distance": [1.0]}),
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    return str(mlflow.register_model(info.model_uri, name).version)


@pytest.fixture(scope="module", autouse=True)
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """MLflow's stores with three versions of one model: 1 and 2 work, the third is broken."""
    stores = f"laptop://{tmp_path_factory.mktemp('mlflow')}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", stores)
        patch.setenv("MLFLOW_REGISTRY_URI", stores)
        patch.setenv("MLFLOW_UV_AUTO_DETECT", "false")
        mlflow.set_experiment("serving")
        for intercept in (1000.0, 2000.0, 3000.0):
            version = register(SPEC, intercept)
        folder = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{version}"))
        shutil.rmtree(folder / "data/feature_store/raw_model")
        yield


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    workspace.publish(temp=2.0, wind=3)
    return workspace


@pytest.fixture
def endpoints(workspace: Workspace) -> Iterator[ServingEndpointsAPI]:
    with workspace.up() as endpoints:
        yield endpoints


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServingEndpointsAPI, str]]:
    """An endpoint that serves version 1, for tests that change nothing, and its workspace's URL."""
    workspace = Workspace(tmp_path_factory.mktemp("standing"))
    workspace.publish(temp=2.0, wind=3)
    with workspace.up() as endpoints:
        create(endpoints)
        yield endpoints, workspace.url


def entity(version: int | str, **facts: Any) -> ServedEntityInput:
    facts = {"entity_name": MODEL, "workload_size": "Small"} | facts
    return ServedEntityInput(entity_version=str(version), scale_to_zero_enabled=True, **facts)


def config(*entities: ServedEntityInput, **shares: int) -> EndpointCoreConfigInput:
    routes = [Route(served_model_name=k, traffic_percentage=v) for k, v in shares.items()]
    traffic = TrafficConfig(routes=routes) if routes else None
    return EndpointCoreConfigInput(
        name="delay", served_entities=list(entities), traffic_config=traffic
    )


def create(endpoints: ServingEndpointsAPI, version: int | str = 1) -> None:
    endpoints.create_and_wait("delay", config=config(entity(version)))


def ask(endpoints: ServingEndpointsAPI, **changes: Any) -> Any:
    (prediction,) = endpoints.query("delay", dataframe_records=[ROW | changes]).predictions or []
    return prediction


def failure(endpoints: ServingEndpointsAPI) -> str:
    """Return why the last update failed."""
    pending = endpoints.get("delay").pending_config
    assert pending is not None
    assert pending.served_entities is not None
    state = pending.served_entities[0].state
    assert state is not None
    return state.deployment_state_message or ""


def test_a_created_endpoint_is_ready_and_scores_with_features(
    endpoints: ServingEndpointsAPI,
) -> None:
    made = endpoints.create_and_wait(
        "delay", config=config(entity(1)), tags=[EndpointTag(key="team", value="a")]
    )

    answer = endpoints.query("delay", dataframe_records=[ROW, ROW | {"distance": 0}])

    assert answer.predictions == pytest.approx([1420.0, 1320.0])
    assert answer.served_model_name == "delay-1"
    assert made.state is not None
    assert made.state.ready == EndpointStateReady.READY
    assert made.state.config_update == EndpointStateConfigUpdate.NOT_UPDATING
    assert made.config is not None
    (served,) = made.config.served_entities or []
    assert (served.name, served.entity_name, served.entity_version) == ("delay-1", MODEL, "1")
    assert made.config.traffic_config is not None
    assert made.config.traffic_config.routes == [
        Route(served_entity_name="delay-1", served_model_name="delay-1", traffic_percentage=100)
    ]
    assert made.pending_config is None
    assert made.tags == [EndpointTag(key="team", value="a")]
    assert [endpoint.name for endpoint in endpoints.list()] == ["delay"]


def test_split_frames_are_scored_too(standing: tuple[ServingEndpointsAPI, str]) -> None:
    split = DataframeSplitInput(columns=list(ROW), data=[list(ROW.values())])

    assert standing[0].query("delay", dataframe_split=split).predictions == pytest.approx([1420.0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"origin": "LGA"}, 1000 + 100 - 10 - 100),
        ({"origin": None}, 1000 + 100 - 10 - 100),
        ({"temp": 5.0}, 1000 + 100 + 50 + 300),
        ({"temp": 5.0, "wind": None}, 1000 + 100 + 50 - 100),
        ({"decision_at": "1999-01-01T00:00:00"}, 1420),
        ({"decision_at": None}, 1420),
        ({"unknown": [1]}, 1420),
    ],
)
def test_features_are_those_online_unless_the_request_brings_them(
    standing: tuple[ServingEndpointsAPI, str], change: dict[str, Any], expected: float
) -> None:
    assert ask(standing[0], **change) == pytest.approx(expected)


def test_what_is_published_again_is_used_at_once(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    create(endpoints)

    workspace.publish(temp=0.0, wind=0)

    assert ask(endpoints) == pytest.approx(1100.0)


def test_an_update_swaps_the_version_and_no_request_fails_meanwhile(
    endpoints: ServingEndpointsAPI,
) -> None:
    create(endpoints)
    done = threading.Event()
    answers: list[float] = []

    def keep_asking() -> None:
        while not done.is_set():
            answers.append(round(ask(endpoints)))

    thread = threading.Thread(target=keep_asking)
    thread.start()
    updated = endpoints.update_config_and_wait("delay", served_entities=[entity(2)])
    assert ask(endpoints) == pytest.approx(2420.0)
    done.set()
    thread.join()

    assert set(answers) <= {1420, 2420}
    assert answers == sorted(answers)
    assert updated.config is not None
    assert updated.config.config_version == 2
    assert updated.pending_config is None


@pytest.mark.parametrize(
    ("version", "message"), [("99", "Version 99 of .* not found"), ("3", "Version 3 of ")]
)
def test_an_update_that_cannot_be_loaded_says_why_and_the_old_version_serves(
    endpoints: ServingEndpointsAPI, version: str, message: str
) -> None:
    create(endpoints)

    with pytest.raises(OperationFailed):
        endpoints.update_config_and_wait("delay", served_entities=[entity(version)])

    assert re.match(message, failure(endpoints))
    state = endpoints.get("delay").state
    assert state is not None
    assert state.ready == EndpointStateReady.READY
    assert ask(endpoints) == pytest.approx(1420.0)
    endpoints.update_config_and_wait("delay", served_entities=[entity(2)])
    assert ask(endpoints) == pytest.approx(2420.0)


def test_an_endpoint_whose_features_are_not_online_does_not_come_up(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    (workspace.home / "online.db").unlink()

    with pytest.raises(OperationFailed):
        create(endpoints)

    assert f"{WEATHER} is not published online" in failure(endpoints)
    state = endpoints.get("delay").state
    assert state is not None
    assert state.ready == EndpointStateReady.NOT_READY
    with pytest.raises(BadRequest, match="not ready"):
        ask(endpoints)
    workspace.publish(temp=2.0, wind=3)
    endpoints.update_config_and_wait("delay", served_entities=[entity(1)])
    assert ask(endpoints) == pytest.approx(1420.0)


def test_traffic_is_split_by_percentage(endpoints: ServingEndpointsAPI) -> None:
    entities = [entity(1, name="old"), entity(2, name="new")]
    endpoints.create_and_wait("delay", config=config(*entities, old=75, new=25))

    answers = [endpoints.query("delay", dataframe_records=[ROW]) for _ in range(200)]

    shares = dict.fromkeys(("old", "new"), 0)
    for answer in answers:
        expected = 1420.0 if answer.served_model_name == "old" else 2420.0
        assert answer.predictions == pytest.approx([expected])
        shares[answer.served_model_name or ""] += 1
    assert 100 < shares["old"] < 190


def test_an_endpoint_outlives_the_workspace_s_process(workspace: Workspace) -> None:
    with workspace.up() as endpoints:
        create(endpoints)
        with pytest.raises(OperationFailed):
            endpoints.update_config_and_wait("delay", served_entities=[entity(99)])

    with workspace.up() as endpoints:
        assert ask(endpoints) == pytest.approx(1420.0)


def test_an_interrupted_update_is_completed_after_a_restart(workspace: Workspace) -> None:
    with workspace.up() as endpoints:
        create(endpoints)
    state = State(workspace.home)
    document = state.get(serving.ENDPOINT, "delay")
    assert document is not None
    document["pending_config"] = endpoint_config.planned(
        {"served_entities": [{"entity_name": MODEL, "entity_version": "2"}]}, version=2
    )
    document["state"]["config_update"] = "IN_PROGRESS"
    state.put(serving.ENDPOINT, "delay", document)
    state.close()

    with workspace.up() as endpoints:
        endpoints.wait_get_serving_endpoint_not_updating("delay", timeout=timedelta(seconds=10))
        assert ask(endpoints) == pytest.approx(2420.0)


def test_an_endpoint_that_is_being_updated_takes_no_other_update(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    create(endpoints)
    state = State(workspace.home)
    document = state.get(serving.ENDPOINT, "delay")
    assert document is not None
    document["state"]["config_update"] = "IN_PROGRESS"
    state.put(serving.ENDPOINT, "delay", document)
    state.close()

    with pytest.raises(ResourceConflict):
        endpoints.update_config("delay", served_entities=[entity(2)])


def test_a_deleted_endpoint_is_gone(endpoints: ServingEndpointsAPI) -> None:
    create(endpoints)

    endpoints.delete("delay")

    assert list(endpoints.list()) == []
    for call in (endpoints.get, endpoints.delete):
        with pytest.raises(ResourceDoesNotExist):
            call("delay")
    with pytest.raises(ResourceDoesNotExist):
        ask(endpoints)


def test_an_update_that_ends_after_its_endpoint_was_made_anew_changes_nothing(
    workspace: Workspace,
) -> None:
    state = State(workspace.home)
    endpoints = serving.Endpoints(state)
    wanted = {"served_entities": [{"entity_name": MODEL, "entity_version": "2"}]}
    endpoints.create({"name": "delay", "config": wanted})
    former = endpoints.get("delay") | {"pending_config": endpoint_config.planned(wanted, 2)}
    endpoints.delete("delay")
    endpoints.create({"name": "delay", "config": wanted})
    before = endpoints.get("delay")

    assert not endpoints.settle(former, {"config": {}}, ready="READY")

    assert endpoints.get("delay") == before
    state.close()


def test_a_name_is_taken_once(endpoints: ServingEndpointsAPI) -> None:
    create(endpoints)

    with pytest.raises(ResourceAlreadyExists):
        endpoints.create("delay", config=config(entity(2)))


@pytest.mark.parametrize("name", ["dev.shop.delay", "x" * 64, "a b"])
def test_names_are_letters_digits_dashes_and_underscores(
    standing: tuple[ServingEndpointsAPI, str], name: str
) -> None:
    with pytest.raises(InvalidParameterValue, match="1 to 63"):
        standing[0].create(name, config=config(entity(1)))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (config(), "'served_entities' is required"),
        (config(entity("latest")), "must be a version's number"),
        (config(entity(1, entity_name=None)), "'entity_name' is required"),
        (config(entity(1), entity(1)), "names of their own"),
        (config(entity(1), entity(2)), "sum to 100, got: no routes"),
        (config(entity(1, name="a"), entity(2, name="b"), a=50, b=40), "got: a 50, b 40"),
        (config(entity(1, name="a"), b=100), "leads to 'b'. Served entities: a"),
        (config(entity(1, name="a"), a=101), "0 to 100, got: 101"),
    ],
)
def test_a_config_that_cannot_be_followed_is_refused(
    standing: tuple[ServingEndpointsAPI, str], wanted: EndpointCoreConfigInput, message: str
) -> None:
    with pytest.raises(InvalidParameterValue, match=message):
        standing[0].create("another", config=wanted)

    assert [endpoint.name for endpoint in standing[0].list()] == ["delay"]


def test_what_is_not_built_is_refused_by_name(endpoints: ServingEndpointsAPI) -> None:
    with pytest.raises(NotBuilt, match="ai_gateway"):
        endpoints.create("delay", config=config(entity(1)), ai_gateway=AiGatewayConfig())
    with pytest.raises(NotBuilt, match="instance_profile_arn"):
        endpoints.create("delay", config=config(entity(1, instance_profile_arn="arn")))


def post(url: str, body: bytes) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(f"{url}/serving-endpoints/delay/invocations", body)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    answer: dict[str, Any] = json.loads(caught.value.read())
    status = caught.value.code
    caught.value.close()
    return status, answer


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "no JSON"),
        ([], "got: list"),
        ({}, "got: dict"),
        ({"inputs": [[1]]}, "dataframe_records and dataframe_split; got: inputs"),
        ({"instances": [ROW]}, "got: instances"),
        ({"dataframe_records": [ROW], "inputs": []}, "got: dataframe_records, inputs"),
        ({"dataframe_records": []}, "holds no rows"),
        ({"dataframe_records": ROW}, "must be a list of objects"),
        ({"dataframe_records": [1]}, "must be a list of objects"),
        ({"dataframe_records": [{"origin": "EWR"}]}, "['decision_at', 'distance']"),
        ({"dataframe_records": [ROW, {}]}, "lacks ['origin', 'decision_at', 'distance']"),
        ({"dataframe_records": [ROW | {"distance": "far"}]}, "distance must be double"),
        ({"dataframe_records": [ROW | {"distance": True}]}, "distance must be double"),
        ({"dataframe_records": [ROW | {"origin": 7}]}, "origin must be string"),
        ({"dataframe_records": [ROW | {"wind": 1.5}]}, "wind must be bigint"),
        ({"dataframe_records": [ROW | {"decision_at": "noon"}]}, "decision_at must be timestamp"),
        ({"dataframe_records": [ROW | {"decision_at": 5}]}, "decision_at must be timestamp"),
        ({"dataframe_split": [1]}, "must be an object with"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "must have 1 values"),
        ({"dataframe_split": {"columns": ["a"], "data": 5}}, "must be an object with"),
        ({"dataframe_split": {"columns": 5, "data": [[1]]}}, "must be an object with"),
    ],
)
def test_a_request_that_cannot_be_scored_is_a_bad_request(
    standing: tuple[ServingEndpointsAPI, str], body: Any, message: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)

    status, answer = post(standing[1], text.encode())

    assert (status, answer["error_code"]) == (400, "BAD_REQUEST")
    assert message in answer["message"]


def test_a_plain_model_is_served_without_lookups(endpoints: ServingEndpointsAPI) -> None:
    info = mlflow.sklearn.log_model(
        reader(0.0),
        name="plain",
        input_example=pd.DataFrame({"distance": [1.0], "temp": [1.0], "wind": [1.0]}),
        signature=ModelSignature(
            Schema([ColSpec("double", name) for name in ("distance", "temp", "wind")]),
            Schema([ColSpec("double")]),
        ),
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    version = mlflow.register_model(info.model_uri, "dev.shop.plain").version
    plain = entity(version, entity_name="dev.shop.plain")
    endpoints.create_and_wait("plain", config=config(plain))

    row = {"distance": 1.0, "temp": 1.0, "wind": 1.0}
    assert endpoints.query("plain", dataframe_records=[row]).predictions == pytest.approx([111.0])
    with pytest.raises(BadRequest, match="wind"):
        endpoints.query("plain", dataframe_records=[{"distance": 1.0, "temp": 1.0}])
