import http.client
import json
import shutil
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import OperationFailed
from databricks.sdk.service.serving import (
    EndpointCoreConfigInput,
    EndpointStateConfigUpdate,
    EndpointStateReady,
    Route,
    ServedEntityInput,
    ServedEntityOutput,
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
from laptop.workspace import identity, serving
from laptop.workspace.app import create_app
from laptop.workspace.endpoints import Endpoints
from laptop.workspace.payloads import Payloads
from laptop.workspace.serving_faults import FILE, Faults
from laptop.workspace.state import State
from mlflow.types import ColSpec, Schema
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from ...apps import listen, served
from ...conftest import until
from ...tables import feature_table

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
TABLE = feature_table(
    WEATHER,
    ["origin"],
    "known_at",
    origin="string",
    known_at="timestamp",
    temp="double",
    wind="bigint",
)
NIGHT = datetime(2013, 11, 1, tzinfo=UTC)
ROW = {"origin": "EWR", "decision_at": "2013-11-01T10:00:00", "distance": 100.0}


def reader(intercept: float) -> Pipeline:
    """Return a model that gives `intercept + distance + 10 temp + 100 wind`; no temp is -1."""
    rows = pd.DataFrame(np.eye(4, 3), columns=["distance", "temp", "wind"])
    wanted = intercept + rows.to_numpy() @ np.array([1.0, 10.0, 100.0])
    # A feature that no row has a value of comes as None.
    numbers = FunctionTransformer(np.asarray, kw_args={"dtype": float})
    imputer = SimpleImputer(strategy="constant", fill_value=-1.0)
    return make_pipeline(numbers, imputer, LinearRegression()).fit(rows, wanted)


def weather(temp: float, wind: int) -> pa.Table:
    known_at = pa.array([NIGHT], pa.timestamp("us", tz="UTC"))
    return pa.table({"origin": ["EWR"], "known_at": known_at, "temp": [temp], "wind": [wind]})


@dataclass(frozen=True)
class Client:
    """Asks the endpoint `delay` again and again over one connection."""

    connection: http.client.HTTPConnection

    def ask(self, *rows: dict[str, Any]) -> tuple[str, list[float]]:
        """Return who has answered, and what."""
        body = json.dumps({"dataframe_records": rows})
        headers = {"Content-Type": "application/json"}
        self.connection.request("POST", "/serving-endpoints/delay/invocations", body, headers)
        answer = self.connection.getresponse()
        predictions = json.loads(answer.read())["predictions"]
        return answer.getheader("served-model-name") or "", predictions

    def close(self) -> None:
        self.connection.close()


def no_engine() -> NoReturn:
    """Stand for the session of a workspace without an engine."""
    raise AssertionError("no payload is logged here")


@dataclass
class Workspace:
    """The serving part of a workspace; it can be restarted on what it has stored."""

    state_dir: Path
    url: str = ""

    @contextmanager
    def up(self, delay_seconds: float = 0) -> Iterator[ServingEndpointsAPI]:
        state = State(self.state_dir)
        payloads = Payloads(state, no_engine)
        endpoints = Endpoints(state, payloads, delay_seconds)
        listener, self.url = listen()
        app = create_app()
        app.include_router(identity.router(self.url))
        faults = Faults(self.state_dir / FILE)
        app.include_router(serving.router(endpoints, payloads, faults))
        try:
            with served(app, listener):
                yield WorkspaceClient(host=self.url, token="token").serving_endpoints
        finally:
            endpoints.close()
            state.close()

    def client(self) -> "Client":
        return Client(http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30))

    def publish(self, temp: float, wind: int) -> None:
        store = OnlineStore(self.state_dir)
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


@contextmanager
def quietly() -> Iterator[None]:
    """Let MLflow warn while a model is logged, which the test run would take for an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def pointed(stores: str) -> Iterator[None]:
    """Have MLflow use other stores for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", stores)
        patch.setenv("MLFLOW_REGISTRY_URI", stores)
        patch.setenv("MLFLOW_UV_AUTO_DETECT", "false")
        yield


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> str:
    """MLflow's stores with three versions of one model: 1 and 2 work, the third is broken."""
    stores = f"laptop://{tmp_path_factory.mktemp('mlflow')}"
    with pointed(stores):
        mlflow.set_experiment("/Shared/serving")
        for intercept in (1000.0, 2000.0, 3000.0):
            version = register(SPEC, intercept)
        folder = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{version}"))
        shutil.rmtree(folder / "data/feature_store/raw_model")
    return stores


@pytest.fixture(scope="module", autouse=True)
def registry(stores: str) -> Iterator[None]:
    with pointed(stores):
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
def standing(
    registry: None,  # noqa: ARG001 - its versions are served
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ServingEndpointsAPI, str]]:
    """Yield an endpoint that serves version 1, for tests that only read, and its URL."""
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


def settle(endpoints: ServingEndpointsAPI, name: str = "delay") -> None:
    """Wait for the end of an update in short steps; the SDK takes them by the second."""

    def state() -> EndpointStateConfigUpdate | None:
        shown = endpoints.get(name).state
        return shown.config_update if shown else None

    until(lambda: state() != EndpointStateConfigUpdate.IN_PROGRESS)


def create(endpoints: ServingEndpointsAPI, version: int | str = 1) -> None:
    endpoints.create("delay", config=config(entity(version)))
    settle(endpoints)
    shown = endpoints.get("delay").state
    if not shown or shown.ready != EndpointStateReady.READY:
        raise OperationFailed(failure(endpoints))


def ask(endpoints: ServingEndpointsAPI, **changes: Any) -> Any:
    (prediction,) = endpoints.query("delay", dataframe_records=[ROW | changes]).predictions or []
    return prediction


def only_entity(endpoints: ServingEndpointsAPI) -> ServedEntityOutput:
    """Return the one entity that an endpoint serves."""
    shown = endpoints.get("delay").config
    assert shown is not None
    (served,) = shown.served_entities or []
    return served


def failure(endpoints: ServingEndpointsAPI) -> str:
    """Return why the last update failed."""
    pending = endpoints.get("delay").pending_config
    assert pending is not None
    assert pending.served_entities is not None
    state = pending.served_entities[0].state
    assert state is not None
    return state.deployment_state_message or ""


def post(
    url: str, body: bytes, content_type: str = "application/json", path: str = "delay/invocations"
) -> tuple[int, Any]:
    """Send a request as a client without Databricks' libraries would."""
    headers = {"Content-Type": content_type}
    request = urllib.request.Request(f"{url}/serving-endpoints/{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
