import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest
from databricks.sdk.errors import BadRequest, OperationFailed, ResourceConflict
from databricks.sdk.service.serving import (
    EndpointStateConfigUpdate,
    EndpointStateReady,
    ServingEndpointsAPI,
)
from laptop.workspace.endpoints import ENDPOINT, Endpoints
from laptop.workspace.payloads import Payloads
from laptop.workspace.state import Document, State
from mlflow.models import ModelSignature
from mlflow.pyfunc.model import PythonModel
from mlflow.types import ColSpec, Schema

from .conftest import (
    MODEL,
    ROW,
    WEATHER,
    Workspace,
    ask,
    config,
    create,
    entity,
    failure,
    no_engine,
    only_entity,
    quietly,
    settle,
)

READY, NOT_READY = EndpointStateReady.READY, EndpointStateReady.NOT_READY
UPDATING = EndpointStateConfigUpdate.IN_PROGRESS
SETTLED = EndpointStateConfigUpdate.NOT_UPDATING
FAILED = EndpointStateConfigUpdate.UPDATE_FAILED
# Seconds in which a workspace always ends before its update does.
LONG = 3600
FIRST, SECOND = pytest.approx(1420.0), pytest.approx(2420.0)


def states(
    endpoints: ServingEndpointsAPI,
) -> tuple[EndpointStateReady | None, EndpointStateConfigUpdate | None]:
    state = endpoints.get("delay").state
    assert state is not None
    return state.ready, state.config_update


def pending_version(endpoints: ServingEndpointsAPI) -> str | None:
    """Return the model's version that is on its way."""
    pending = endpoints.get("delay").pending_config
    if pending is None:
        return None
    (served,) = pending.served_entities or []
    return served.entity_version


def test_states_tell_of_an_update_while_it_takes_its_time(workspace: Workspace) -> None:
    with workspace.up(delay_seconds=LONG) as endpoints:
        endpoints.create("delay", config=config(entity(1)))
        assert states(endpoints) == (NOT_READY, UPDATING)
        with pytest.raises(BadRequest, match="not ready"):
            ask(endpoints)
    with workspace.up() as endpoints:
        settle(endpoints)
        assert states(endpoints) == (READY, SETTLED)

    with workspace.up(delay_seconds=LONG) as endpoints:
        endpoints.update_config("delay", served_entities=[entity(2)])
        assert states(endpoints) == (READY, UPDATING)
        assert pending_version(endpoints) == "2"
        assert only_entity(endpoints).entity_version == "1"
        assert ask(endpoints) == FIRST
        with pytest.raises(ResourceConflict):
            endpoints.update_config("delay", served_entities=[entity(1)])
    with workspace.up() as endpoints:
        settle(endpoints)
        assert states(endpoints) == (READY, SETTLED)
        assert pending_version(endpoints) is None
        assert ask(endpoints) == SECOND
        shown = endpoints.get("delay").config
        assert shown is not None
        assert shown.config_version == 2


def test_an_update_takes_as_long_as_it_is_told_to(workspace: Workspace) -> None:
    with workspace.up(delay_seconds=0.5) as endpoints:
        started = time.monotonic()
        create(endpoints)
        assert time.monotonic() - started >= 0.5


@dataclass
class Load:
    """Clients that ask an endpoint without a pause.

    Attributes:
        answers: When each was asked and answered, and the version that did.
        faults: Whatever was no proper answer.
    """

    workspace: Workspace
    answers: list[tuple[float, float, int]] = field(default_factory=list)
    faults: list[Any] = field(default_factory=list)

    @contextmanager
    def on(self, clients: int) -> Iterator[None]:
        done = threading.Event()
        threads = [threading.Thread(target=self._ask, args=(done,)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            done.set()
            for thread in threads:
                thread.join()

    def wait(self, since: float) -> None:
        """Wait until many were asked since an instant and answered."""
        while sum(asked > since for asked, *_ in self.answers) < 20 and not self.faults:
            time.sleep(0.01)

    def _ask(self, done: threading.Event) -> None:
        client = self.workspace.client()
        while not done.is_set():
            asked = time.monotonic()
            try:
                name, predictions = client.ask(*[ROW] * 5)
            except Exception as error:
                self.faults.append(error)
                continue
            version = {1420: 1, 2420: 2}[round(predictions[0])]
            self.answers.append((asked, time.monotonic(), version))
            whole = [round(each) for each in predictions] == [420 + 1000 * version] * 5
            if not whole or name != f"delay-{version}":
                self.faults.append((name, predictions))
        client.close()


def test_under_load_updates_fail_no_request_and_mix_no_versions(workspace: Workspace) -> None:
    with workspace.up(delay_seconds=0.2) as endpoints:
        create(endpoints)
        load = Load(workspace)
        spans = []
        with load.on(clients=6):
            for version in (2, 1, 2):
                endpoints.update_config("delay", served_entities=[entity(version)])
                settle(endpoints)
                ready = time.monotonic()
                load.wait(ready)
                spans.append((ready, time.monotonic(), version))

    assert load.faults == []
    assert {version for _, _, version in load.answers} == {1, 2}
    for ready, end, version in spans:
        during = [by for asked, answered, by in load.answers if ready < asked and answered < end]
        assert during
        assert set(during) == {version}


class Watched(State):
    """A store that asks the endpoint at the moment at which READY becomes visible."""

    endpoints: Endpoints
    seen: list[str]

    def put(self, kind: str, name: str, document: Document) -> None:
        super().put(kind, name, document)
        if kind == ENDPOINT and document["state"]["config_update"] == "NOT_UPDATING":
            self.seen.append(self.endpoints.live(name).choose().name)


def test_whoever_reads_ready_is_answered_by_the_new_version(workspace: Workspace) -> None:
    state = Watched(workspace.state_dir)
    state.seen = []
    state.endpoints = Endpoints(state, Payloads(state, no_engine))
    for version in ("1", "2"):
        wanted = {"served_entities": [{"entity_name": MODEL, "entity_version": version}]}
        if version == "1":
            state.endpoints.create({"name": "delay", "config": wanted})
        else:
            state.endpoints.update("delay", wanted)
        while len(state.seen) < int(version):
            time.sleep(0.01)

    assert state.seen == ["delay-1", "delay-2"]
    state.close()


@pytest.mark.parametrize(
    ("version", "message", "log"),
    [("99", "Version 99 of .* not found", "MlflowException"), ("3", "Version 3 of ", "Traceback")],
)
def test_an_update_that_cannot_be_loaded_says_why_and_the_old_version_serves(
    endpoints: ServingEndpointsAPI, version: str, message: str, log: str
) -> None:
    create(endpoints)

    with pytest.raises(OperationFailed):
        endpoints.update_config_and_wait("delay", served_entities=[entity(version)])

    assert re.match(message, failure(endpoints))
    assert states(endpoints) == (READY, FAILED)
    assert only_entity(endpoints).entity_version == "1"
    assert ask(endpoints) == FIRST
    assert log in endpoints.build_logs("delay", f"delay-{version}").logs
    assert "Loaded in" in endpoints.build_logs("delay", "delay-1").logs
    endpoints.update_config_and_wait("delay", served_entities=[entity(2)])
    assert ask(endpoints) == SECOND
    assert states(endpoints) == (READY, SETTLED)
    assert pending_version(endpoints) is None


def test_an_update_one_of_whose_entities_fails_brings_up_none(
    endpoints: ServingEndpointsAPI,
) -> None:
    create(endpoints)
    wanted = config(entity(2, name="good"), entity(99, name="bad"), good=50, bad=50)

    with pytest.raises(OperationFailed):
        endpoints.update_config_and_wait(
            "delay", served_entities=wanted.served_entities, traffic_config=wanted.traffic_config
        )

    pending = endpoints.get("delay").pending_config
    assert pending is not None
    shown = {
        served.name: served.state.deployment.value
        for served in pending.served_entities or []
        if served.state and served.state.deployment
    }
    assert shown == {"good": "DEPLOYMENT_ABORTED", "bad": "DEPLOYMENT_FAILED"}
    assert {round(ask(endpoints)) for _ in range(10)} == {1420}


def test_an_endpoint_whose_features_are_not_online_does_not_come_up(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    (workspace.state_dir / "online.db").unlink()

    with pytest.raises(OperationFailed):
        create(endpoints)

    assert f"{WEATHER} is not published online" in failure(endpoints)
    assert states(endpoints) == (NOT_READY, FAILED)
    with pytest.raises(BadRequest, match="not ready"):
        ask(endpoints)
    workspace.publish(temp=2.0, wind=3)
    endpoints.update_config_and_wait("delay", served_entities=[entity(1)])
    assert ask(endpoints) == FIRST


def test_an_endpoint_outlives_the_workspace_s_process(workspace: Workspace) -> None:
    with workspace.up() as endpoints:
        create(endpoints)
        with pytest.raises(OperationFailed):
            endpoints.update_config_and_wait("delay", served_entities=[entity(99)])

    with workspace.up() as endpoints:
        assert ask(endpoints) == FIRST
        assert states(endpoints) == (READY, FAILED)


@pytest.mark.parametrize(
    ("version", "end", "answer"), [("2", SETTLED, SECOND), ("99", FAILED, FIRST)]
)
def test_an_interrupted_update_is_completed_or_failed_after_a_restart(
    workspace: Workspace, version: str, end: EndpointStateConfigUpdate, answer: object
) -> None:
    with workspace.up() as endpoints:
        create(endpoints)
    with workspace.up(delay_seconds=LONG) as endpoints:
        endpoints.update_config("delay", served_entities=[entity(version)])
    with workspace.up(delay_seconds=LONG) as endpoints:
        assert states(endpoints) == (READY, UPDATING)
        assert ask(endpoints) == FIRST

    with workspace.up() as endpoints:
        settle(endpoints)
        assert states(endpoints) == (READY, end)
        assert ask(endpoints) == answer


class Gate(PythonModel):
    """A model that is loaded once a file is there."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def load_context(self, context):  # type: ignore[no-untyped-def]  # noqa: ARG002
        while not self.file.exists():
            time.sleep(0.005)

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        return [7.0] * len(model_input)


def test_a_slow_return_of_the_old_version_does_not_undo_an_update(
    workspace: Workspace, tmp_path: Path
) -> None:
    opened = tmp_path / "opened"
    opened.touch()
    columns = Schema([ColSpec("string", "origin")])
    with quietly():
        info = mlflow.pyfunc.log_model(
            name="gate",
            python_model=Gate(opened),
            signature=ModelSignature(columns, Schema([ColSpec("double")])),
            pip_requirements=["mlflow"],
        )
        version = mlflow.register_model(info.model_uri, "dev.shop.gate").version
    with workspace.up() as endpoints:
        endpoints.create_and_wait(
            "delay", config=config(entity(version, entity_name="dev.shop.gate"))
        )
    opened.unlink()

    with workspace.up() as endpoints:
        late: list[float] = []
        early = threading.Thread(target=lambda: late.append(ask(endpoints)))
        early.start()
        time.sleep(0.2)
        endpoints.update_config_and_wait("delay", served_entities=[entity(2)])
        opened.touch()
        early.join()

        assert late in ([7.0], [SECOND])
        assert ask(endpoints) == SECOND


def test_an_endpoint_made_anew_under_its_name_is_not_answered_by_the_former(
    endpoints: ServingEndpointsAPI,
) -> None:
    create(endpoints)
    assert ask(endpoints) == FIRST
    endpoints.delete("delay")

    with pytest.raises(OperationFailed):
        create(endpoints, 99)

    with pytest.raises(BadRequest, match="not ready"):
        ask(endpoints)


def test_an_update_whose_endpoint_is_deleted_comes_to_nothing(workspace: Workspace) -> None:
    with workspace.up(delay_seconds=1.2) as endpoints:
        endpoints.create("delay", config=config(entity(1)))
        endpoints.delete("delay")
        create(endpoints, 2)

        assert ask(endpoints) == SECOND
        time.sleep(0.3)
        assert only_entity(endpoints).entity_version == "2"
        endpoints.wait_get_serving_endpoint_not_updating("delay", timeout=timedelta(seconds=120))
