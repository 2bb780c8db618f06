"""The CLI's own fake workspace, its process and what tests ask of it."""

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
    """Who calls, as the fake workspace tells it from the beginning of a token."""

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
    """Run the fake workspace's process and yields its URL.

    Raises:
        AssertionError: it was asked what it does not know.
    """
    with log.open("w") as errors:
        process = subprocess.Popen(
            [binary],
            # It runs tasks where it finds uv, but neither in order nor with their parameters.
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
    """One workspace of the server; no other name sees its content."""

    url: str
    name: str

    def write_token(self, identity: Identity) -> str:
        """Return the token that makes a caller this identity in this workspace."""
        return f"{identity.prefix}{self.name}"

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        identity: Identity = SERVICE_PRINCIPAL,
    ) -> Any:
        """Send one request and returns the answer's JSON, or its bytes where it is none.

        Raises:
            urllib.error.HTTPError: it was refused.
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
        """Return everything that stands: resources by id or name, files by path with SHA-256."""
        state: dict[str, Any] = self.ask("GET", "/__conformance/state")
        return state

    def list_calls(self) -> list[str]:
        """Return the calls so far, each as `METHOD /path`."""
        calls: list[str] = self.ask("GET", "/__conformance/calls")["calls"] or []
        return calls

    def fail(self, call: str, *, nth: int = 0, status: int = 500, done: bool = False) -> None:
        """Answers one call of the service principal with an error.

        Args:
            call: `METHOD /path`, where a star at the end stands for anything.
            nth: how many such calls pass before.
            status: the HTTP status of the answer.
            done: the call takes effect all the same, and only its answer is lost.
        """
        message = {"error_code": "INJECTED", "message": "an injected fault"}
        rule = {"pattern": call, "offset": nth, "times": 1, "status_code": status}
        rule |= {"body": json.dumps(message), "after_handler": done}
        self.ask("POST", "/__testserver/fault", rule)

    def kill(self, call: str, *, nth: int = 0, identity: Identity = SERVICE_PRINCIPAL) -> None:
        """Kills the process that makes a call, before the call takes effect.

        Args:
            call: `METHOD /path`, whole.
            nth: how many such calls pass before.
            identity: whose call.
        """
        rule = {"pattern": call, "offset": nth, "times": 1}
        self.ask("POST", "/__testserver/kill", rule, identity)
