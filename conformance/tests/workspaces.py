"""The CLI's fake workspace: its process and its control by tests."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Identity:
    """The identity of a caller, which the fake workspace reads from the prefix of the token."""

    prefix: str
    user_name: str
    short_name: str


USER = Identity("dbapi0", "tester@databricks.com", "tester")
SERVICE_PRINCIPAL = Identity(
    "dbapi1", "aaaaaaaa-bbbb-4ccc-dddd-eeeeeeeeeeee", "aaaaaaaa_bbbb_4ccc_dddd_eeeeeeeeeeee"
)


WAREHOUSES = {"Serverless Starter Warehouse": "8ec9edc1-db0c-40df-af8d-7580020fe61e"}
"""What each workspace lists: ids of SQL warehouses, by name."""


@contextmanager
def serve_workspaces(binary: Path, log: Path) -> Iterator[str]:
    """Run the fake workspace's process and yield its URL.

    Raises:
        AssertionError: It received an unknown request.
    """
    with log.open("w") as errors:
        process = subprocess.Popen(
            [binary],
            # With uv on the PATH it would run tasks, but without order and parameters.
            env={"PATH": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with process:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
            process.terminate()
    unknown = [line for line in log.read_text().splitlines() if line.startswith("No handler")]
    assert not unknown, f"the fake workspace does not answer: {unknown}"


@dataclass(frozen=True)
class Workspace:
    """A workspace of the server, isolated by its name."""

    url: str
    name: str

    def write_token(self, identity: Identity) -> str:
        """Return the token of an identity in this workspace."""
        return f"{identity.prefix}{self.name}"

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        identity: Identity = SERVICE_PRINCIPAL,
    ) -> Any:
        """Send a request and return the response as JSON, or as bytes if it is not JSON.

        Raises:
            urllib.error.HTTPError: The request failed.
        """
        request = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.write_token(identity)}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            content: bytes = answer.read()
            return (
                json.loads(content) if "json" in answer.headers.get("Content-Type", "") else content
            )

    def read_state(self) -> dict[str, Any]:
        """Return the content: resources by id or name, files by path with SHA-256."""
        state: dict[str, Any] = self.ask("GET", "/__conformance/state")
        return state

    def list_calls(self) -> list[str]:
        """Return the requests so far, each as `METHOD /path`."""
        calls: list[str] = self.ask("GET", "/__conformance/calls")["calls"] or []
        return calls

    def fail(self, call: str, *, nth: int = 0, status: int = 500, done: bool = False) -> None:
        """Answer a request of the service principal with an error.

        Args:
            call: `METHOD /path`, with an optional `*` at the end as a wildcard.
            nth: Number of matching requests that succeed first.
            status: HTTP status of the response.
            done: Whether the request still takes effect, and only its response is lost.
        """
        message = {"error_code": "INJECTED", "message": "an injected fault"}
        rule = {"pattern": call, "offset": nth, "times": 1, "status_code": status}
        rule |= {"body": json.dumps(message), "after_handler": done}
        self.ask("POST", "/__testserver/fault", rule)

    def kill(self, call: str, *, nth: int = 0, identity: Identity = SERVICE_PRINCIPAL) -> None:
        """Kill the process that sends a request, before the request takes effect.

        Args:
            call: `METHOD /path` without wildcard.
            nth: Number of matching requests that succeed first.
            identity: Identity of the caller.
        """
        rule = {"pattern": call, "offset": nth, "times": 1}
        self.ask("POST", "/__testserver/kill", rule, identity)
