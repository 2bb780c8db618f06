import http.client
import json
import stat
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotImplemented as NotBuilt
from laptop.connection import Connection, RequestRefused
from laptop.state_dir import StateDir

ME = "/api/2.0/preview/scim/v2/Me"
DISCOVERY = "/.well-known/databricks-config"


def ask(there: Connection, path: str, headers: dict[str, str]) -> tuple[int, Any]:
    """Send a request with just these headers."""
    request = urllib.request.Request(f"{there.address}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize("path", [ME, "/api/2.2/jobs/list", "/no/such/path"])
@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer 123", "Basic {token}", "{token}"])
def test_without_the_token_nothing_is_answered(
    there: Connection, path: str, authorization: str
) -> None:
    headers = {"Authorization": authorization.format(token=there.token)} if authorization else {}
    status, answer = ask(there, path, headers)
    assert (status, answer["error_code"]) == (401, "UNAUTHENTICATED")
    assert "laptop up" in answer["message"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1"]
)
@pytest.mark.parametrize("path", [ME, DISCOVERY])
def test_a_foreign_host_header_is_refused_even_with_the_token(
    there: Connection, host: str, path: str
) -> None:
    headers = {"Host": host.format(port=there.port), "Authorization": f"Bearer {there.token}"}
    assert ask(there, path, headers)[0] == 403


def test_localhost_is_a_name_of_the_loopback(there: Connection) -> None:
    headers = {"Host": f"localhost:{there.port}", "Authorization": f"Bearer {there.token}"}
    assert ask(there, ME, headers)[0] == 200


def test_a_connection_unused_for_some_seconds_is_still_open(there: Connection) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", there.port, timeout=10)
    connection.connect()
    before = connection.sock
    for seconds in (6, 0):
        connection.request("GET", DISCOVERY)
        assert connection.getresponse().read()
        time.sleep(seconds)
    assert connection.sock is before
    connection.close()


def test_discovery_is_open_and_says_nothing_of_substance(there: Connection) -> None:
    said = {"oidc_endpoint": f"{there.address}/oidc", "workspace_id": "1", "cloud": "AWS"}
    assert ask(there, DISCOVERY, {}) == (200, said)


def test_a_browser_sees_a_page_that_says_where_pages_are(there: Connection) -> None:
    with urllib.request.urlopen(f"{there.address}/", timeout=10) as answer:
        assert answer.headers.get_content_type() == "text/html"
        text = answer.read().decode()
    assert "laptop ui" in text
    assert there.token not in text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/2.1/clusters/list"),
        ("DELETE", "/api/2.2/jobs/create"),
        ("POST", "/api/2.2/jobs/runs/submit"),
        ("GET", "/oidc/.well-known/oauth-authorization-server"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
    ],
)
def test_what_is_not_built_says_so_with_method_and_path(
    there: Connection, method: str, path: str
) -> None:
    with pytest.raises(RequestRefused) as caught:
        there.ask(method, path)
    assert (caught.value.status, caught.value.code) == (501, "NOT_IMPLEMENTED")
    assert str(caught.value) == f"{method} {path} is not supported on the laptop."


def test_the_sdk_raises_its_own_error_for_what_is_not_built(client: WorkspaceClient) -> None:
    with pytest.raises(NotBuilt, match=r"GET /api/2\.0/secrets/scopes/list is not supported"):
        list(client.secrets.list_scopes())


def test_the_user_is_known_by_the_short_name(client: WorkspaceClient) -> None:
    me = client.current_user.me()
    assert (me.user_name, me.display_name) == ("laptop@localhost", "laptop")


def test_the_token_is_for_the_owners_eyes(there: Connection, shared: StateDir) -> None:
    assert stat.S_IMODE(shared.connection_file.stat().st_mode) == 0o600
    assert json.loads(shared.connection_file.read_text())["token"] == there.token


@pytest.mark.parametrize(
    "path", ["/api/2.2/jobs/run-now", "/api/2.2/jobs/reset", "/api/2.2/jobs/runs/cancel"]
)
@pytest.mark.parametrize("body", [None, [], {}, {"job_id": "x", "run_id": "x"}])
def test_a_request_that_lacks_what_it_needs_is_refused_as_such(
    there: Connection, path: str, body: Any
) -> None:
    with pytest.raises(RequestRefused) as caught:
        there.ask("POST", path, body)
    assert (caught.value.status, caught.value.code) == (400, "INVALID_PARAMETER_VALUE")
