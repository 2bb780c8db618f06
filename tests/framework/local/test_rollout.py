"""Deployment of a version to the endpoint, killed at each step, also if 0 % is rejected."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient

from flight_delays.lakehouse.endpoint import (
    Size,
    delete_endpoint,
    describe_entity,
    endpoint_name,
    read_configuration,
    read_settled,
    send_configuration,
    serve_alone,
    trial_name,
)
from flight_delays.lakehouse.errors import CleanUpError, EndpointError
from flight_delays.lakehouse.rollout import roll_out
from flight_delays.promotion.model_version import ModelVersion

from tests.conftest import MODEL, Laptop

# A separate registered model, because other tests use the Champion's endpoint.
ROLLED = f"{MODEL.rpartition('.')[0]}.rolled_out"
ENDPOINT = endpoint_name(ROLLED)
TRIAL = trial_name(ENDPOINT)
SIZE = Size("Small", scale_to_zero=True)


def version_of(number: int) -> ModelVersion:
    """Return a version of the registered model."""
    return ModelVersion(model=ROLLED, version=number, aliases=frozenset(), tags={})


OLD, NEW, OTHER = (version_of(number) for number in (1, 2, 3))

REGISTER = f"""
import mlflow
source = mlflow.MlflowClient().get_model_version({MODEL!r}, "1").source
for _ in range(3):
    mlflow.register_model(source, {ROLLED!r})
"""

Shares = dict[str, int]


class PowerCut(BaseException):
    """Ends a rollout like a kill, without running error handlers."""


@pytest.fixture(scope="module")
def environment(trained: Laptop) -> dict[str, str]:
    trained.execute(REGISTER)
    return trained.environment()


@pytest.fixture
def workspace(environment: dict[str, str]) -> Iterator[WorkspaceClient]:
    client = connect(environment, environment["DATABRICKS_HOST"])
    yield client
    for name in (ENDPOINT, TRIAL):
        delete_endpoint(client, name)


@pytest.fixture
def serving_old(workspace: WorkspaceClient) -> WorkspaceClient:
    """Return a workspace whose endpoint serves the old version."""
    send_configuration(workspace, ENDPOINT, serve_alone(describe_entity(OLD, SIZE)))
    return workspace


def connect(environment: dict[str, str], host: str) -> WorkspaceClient:
    return WorkspaceClient(host=host, token=environment["DATABRICKS_TOKEN"])


def shares(workspace: WorkspaceClient, endpoint: str = ENDPOINT) -> Shares | None:
    """Return the traffic percentage of each served version; None without an endpoint."""
    standing = read_settled(workspace, endpoint)
    if standing is None:
        return None
    return {part.entity.entity_version or "": part.share for part in read_configuration(standing)}


def cut(*_: str) -> None:
    raise PowerCut


def fail(*_: str) -> None:
    raise EndpointError("It does not answer.")


def succeed(*_: object) -> None:
    pass


def roll(
    workspace: WorkspaceClient,
    version: ModelVersion,
    champion: ModelVersion | None,
    check: Callable[[str, str], None] = succeed,
    commit: Callable[[], None] = succeed,
    mark: Callable[..., None] = succeed,
) -> None:
    roll_out(workspace, version, champion, SIZE, check, commit, mark)


def test_a_version_is_asked_without_traffic_and_the_old_one_leaves_last(
    serving_old: WorkspaceClient,
) -> None:
    seen: list[Any] = []
    roll(
        serving_old,
        NEW,
        OLD,
        lambda *asked: seen.append((*asked, shares(serving_old))),
        lambda: seen.append(shares(serving_old)),
    )
    assert seen == [(ENDPOINT, "rolled_out-2", {"1": 100, "2": 0}), {"1": 0, "2": 100}]
    assert shares(serving_old) == {"2": 100}


KILLS: dict[str, tuple[dict[str, Callable[..., None]], Shares]] = {
    "while it is asked": ({"check": cut}, {"1": 100, "2": 0}),
    "before the alias moves": ({"commit": cut}, {"1": 0, "2": 100}),
}


@pytest.mark.parametrize(
    ("kill", "check"),
    [
        ("before the alias moves", succeed),
        ("while it is asked", fail),
        pytest.param("before the alias moves", fail, marks=pytest.mark.nightly),
        pytest.param("while it is asked", succeed, marks=pytest.mark.nightly),
    ],
)
def test_killed_rollout_is_completed_or_undone_by_the_next(
    serving_old: WorkspaceClient, kill: str, check: Callable[[str, str], None]
) -> None:
    calls, left = KILLS[kill]
    with pytest.raises(PowerCut):
        roll(serving_old, NEW, OLD, **calls)
    assert shares(serving_old) == left
    if check is succeed:
        roll(serving_old, NEW, OLD)
        assert shares(serving_old) == {"2": 100}
    else:
        with pytest.raises(EndpointError, match="does not answer"):
            roll(serving_old, NEW, OLD, check)
        assert shares(serving_old) == {"1": 100}


def test_killed_rollout_leaves_no_traffic_to_its_version_under_the_next(
    serving_old: WorkspaceClient,
) -> None:
    with pytest.raises(PowerCut):
        roll(serving_old, NEW, OLD, commit=cut)
    seen: list[Shares | None] = []
    roll(serving_old, OTHER, OLD, lambda *_: seen.append(shares(serving_old)))
    assert seen == [{"1": 100, "3": 0}]
    assert shares(serving_old) == {"3": 100}


def test_kept_champion_is_served_alone_after_a_killed_rollout(serving_old: WorkspaceClient) -> None:
    with pytest.raises(PowerCut):
        roll(serving_old, NEW, OLD, commit=cut)
    roll(serving_old, OLD, OLD)
    assert shares(serving_old) == {"1": 100}


def test_killed_after_the_alias_moved_the_old_version_leaves_with_the_next_run(
    serving_old: WorkspaceClient,
) -> None:
    with pytest.raises(PowerCut):
        roll(serving_old, NEW, OLD, commit=cut)
    # The alias had already moved: the new version is the Champion.
    roll(serving_old, NEW, NEW)
    assert shares(serving_old) == {"2": 100}


def test_champion_that_the_endpoint_lacks_is_asked_without_traffic(
    serving_old: WorkspaceClient,
) -> None:
    seen: list[Shares | None] = []
    roll(serving_old, NEW, NEW, lambda *_: seen.append(shares(serving_old)))
    assert seen == [{"1": 100, "2": 0}]
    assert shares(serving_old) == {"2": 100}


@pytest.mark.parametrize(
    "calls", [{"check": fail}, pytest.param({"commit": fail}, marks=pytest.mark.nightly)]
)
def test_first_endpoint_is_deleted_where_its_version_fails(
    workspace: WorkspaceClient, calls: dict[str, Callable[..., None]]
) -> None:
    with pytest.raises(EndpointError, match="does not answer"):
        roll(workspace, NEW, None, **calls)
    assert shares(workspace) is None


@pytest.mark.parametrize("kill", [pytest.param("check", marks=pytest.mark.nightly), "commit"])
def test_killed_first_rollout_is_completed_or_undone_by_the_next(
    workspace: WorkspaceClient, kill: str
) -> None:
    with pytest.raises(PowerCut):
        roll(workspace, NEW, None, **{kill: cut})
    assert shares(workspace) == {"2": 100}
    roll(workspace, NEW, None)
    assert shares(workspace) == {"2": 100}
    with pytest.raises(EndpointError, match="does not answer"):
        roll(workspace, NEW, None, fail)
    assert shares(workspace) is None


def test_version_that_cannot_be_loaded_leaves_the_old_one(serving_old: WorkspaceClient) -> None:
    missing = version_of(99)
    with pytest.raises(EndpointError, match=r"Version 99 of .* could not be loaded"):
        roll(serving_old, missing, OLD)
    assert shares(serving_old) == {"1": 100}


# --- a workspace that rejects some updates ---

Refused = Callable[[dict[str, Any]], bool]


def has_zero(body: dict[str, Any]) -> bool:
    """Return whether an update contains an entity without traffic."""
    routes = (body.get("traffic_config") or {}).get("routes", [])
    return any(route["traffic_percentage"] == 0 for route in routes)


def has_old(body: dict[str, Any]) -> bool:
    """Return whether an update contains the old version."""
    return any(entity["entity_version"] == "1" for entity in body.get("served_entities", []))


@contextmanager
def refusing(
    environment: dict[str, str],
    refused: Refused,
    status: int = 400,
    code: str = "INVALID_PARAMETER_VALUE",
) -> Iterator[WorkspaceClient]:
    """Yield the workspace behind a proxy that rejects some updates of endpoints."""
    host = environment["DATABRICKS_HOST"]

    class Proxy(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.command == "PUT" and refused(json.loads(body)):
                text = json.dumps({"error_code": code, "message": REFUSAL})
                self.reply(status, text.encode())
                return
            headers = {
                name: self.headers[name]
                for name in ("Authorization", "Content-Type", "Accept")
                if self.headers[name]
            }
            request = urllib.request.Request(
                host + self.path, body or None, headers, method=self.command
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    self.reply(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    self.reply(error.code, error.read())

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        do_GET = do_POST = do_PUT = do_DELETE = pass_on  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield connect(environment, f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


REFUSAL = "This workspace takes nothing of the kind."


def test_where_no_entity_goes_without_traffic_a_temporary_endpoint_is_asked(
    environment: dict[str, str], serving_old: WorkspaceClient
) -> None:
    seen: list[Any] = []

    def look(*asked: str) -> None:
        seen.append((*asked, shares(serving_old), shares(serving_old, TRIAL)))

    with refusing(environment, has_zero) as strict:
        roll(strict, NEW, OLD, look)
    assert seen == [(TRIAL, "rolled_out-2", {"1": 100}, {"2": 100})]
    assert (shares(serving_old), shares(serving_old, TRIAL)) == ({"2": 100}, None)


def test_temporary_endpoint_is_deleted_where_its_version_fails(
    environment: dict[str, str], serving_old: WorkspaceClient
) -> None:
    with refusing(environment, has_zero) as strict:
        with pytest.raises(EndpointError, match="does not answer"):
            roll(strict, NEW, OLD, fail)
        assert (shares(serving_old), shares(serving_old, TRIAL)) == ({"1": 100}, None)
        with pytest.raises(PowerCut):
            roll(strict, NEW, OLD, cut)
        assert shares(serving_old, TRIAL) == {"2": 100}
        roll(strict, NEW, OLD, lambda *_: None)
    assert (shares(serving_old), shares(serving_old, TRIAL)) == ({"2": 100}, None)


def test_where_0_is_refused_a_lost_alias_puts_the_old_version_back(
    environment: dict[str, str], serving_old: WorkspaceClient
) -> None:
    with refusing(environment, has_zero) as strict, pytest.raises(EndpointError):
        roll(strict, NEW, OLD, commit=fail)
    assert shares(serving_old) == {"1": 100}


def test_update_is_sent_again_where_another_began_meanwhile(
    environment: dict[str, str], serving_old: WorkspaceClient
) -> None:
    conflicts, pauses = iter([True]), list[float]()
    wanted = serve_alone(describe_entity(NEW, SIZE))
    with refusing(environment, lambda _: next(conflicts, False), 409, "RESOURCE_CONFLICT") as busy:
        send_configuration(busy, ENDPOINT, wanted, pauses.append)
    assert len(pauses) == 1
    assert shares(serving_old) == {"2": 100}


def test_failed_restoration_is_reported_beside_the_first_error(
    environment: dict[str, str], serving_old: WorkspaceClient
) -> None:
    both = pytest.raises(CleanUpError, match=f"does not answer.* failed as well: {REFUSAL}")
    with refusing(environment, has_old) as strict, both:
        roll(strict, NEW, OLD, commit=fail)
    assert shares(serving_old) == {"2": 100}
