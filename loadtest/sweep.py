"""A sweep: query an endpoint with more and more clients, a Locust process for each number."""

import json
import math
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import EndpointStateReady, ServingEndpointDetailed

from flight_delays.config.serving import LoadLimits
from flight_delays.lakehouse.payload_log import LOAD_TEST
from flight_delays.problem import PROBLEM
from flight_delays.spec.problem import FEATURES_AT

from delivery.commands import PROJECT, run_statement
from delivery.results import Result

LOCUST = PROJECT / ".tools" / "loadtest" / "bin" / "locust"
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
REPORTS = PROJECT / "reports"
# Bounds of one level.
MOST_CLIENTS = 256
MOST_SECONDS = 600
MOST_REQUESTS = 200_000
# Time for Locust to start, and for the last requests to end.
START_SECONDS, STOP_SECONDS = 60, 300
# Maximum concurrency by workload size.
SIZES = {"Small": 4, "Medium": 16, "Large": 64}


class LoadTestError(Exception):
    """The load test cannot run; the message says why and what to do."""


@dataclass(frozen=True)
class Level:
    """Figures of one number of clients.

    Attributes:
        failures: Number of failed requests: no response, or a status of 400 or more.
        client_is_busy: Whether Locust needed over 90 % of a core, which makes figures worthless.
    """

    clients: int
    requests: int
    failures: int
    rps: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    client_is_busy: bool
    said: Sequence[str] = ()

    @property
    def errors(self) -> float:
        """Share of failed requests; 1 without requests."""
        return self.failures / self.requests if self.requests else 1.0

    def as_results(self, seconds: int, limits: LoadLimits | None) -> list[Result]:
        """Return the figures as rows of the table of test results.

        Limits apply to one number of clients only.
        """
        bounds: dict[str, float] = {}
        if limits and limits.clients == self.clients:
            bounds = {"p95_ms": limits.p95_limit_ms, "errors": limits.errors_limit}
        found = []
        for name in ("rps", "p50_ms", "p95_ms", "p99_ms", "errors"):
            value, bound = float(getattr(self, name)), bounds.get(name)
            outcome = "measured" if bound is None else "passed" if value <= bound else "failed"
            measured = f"{name} of {self.clients} clients"
            detail = "; ".join(self.said) if name == "errors" else ""
            found.append(Result("load", measured, outcome, seconds, value, bound, detail))
        return found

    def violations(self, limits: LoadLimits) -> list[str]:
        """Return the violated limits, with value and limit."""
        found = []
        if self.p95_ms > limits.p95_limit_ms:
            found.append(f"p95 is {self.p95_ms:.0f} ms, the limit {limits.p95_limit_ms} ms")
        if self.errors > limits.errors_limit:
            said = f": {'; '.join(self.said)}" if self.said else ""
            found.append(
                f"{self.errors:.2%} of {self.requests:,} requests failed, the limit is "
                f"{limits.errors_limit:.2%}{said}"
            )
        return found


@dataclass(frozen=True)
class Target:
    """An endpoint, and the rows to send to it.

    Attributes:
        schema: Schema of the served model, with its catalog.
        rows: Rows to send in turn, one a request.
    """

    workspace: WorkspaceClient
    name: str
    schema: str
    concurrency: int
    rows: Sequence[Mapping[str, Any]]

    def wake(self) -> None:
        """Send one request and wait, since the endpoint may be scaled to zero.

        It also checks that the model accepts the rows.
        """
        self.workspace.serving_endpoints.query(
            self.name, dataframe_records=[dict(self.rows[0])], client_request_id=LOAD_TEST
        )

    def sweep(self, clients: Sequence[int], seconds: int) -> Iterator[Level]:
        """Yield the figures for each number of clients."""
        for number in clients:
            yield self.measure(number, seconds, REPORTS / f"loadtest-{number}.html")

    def measure(self, clients: int, seconds: int, report: Path | None = None) -> Level:
        """Send requests for some seconds, and return the figures; `report` is for Locust's page.

        Raises:
            LoadTestError: Locust is missing or failed.
        """
        if not LOCUST.exists():
            raise LoadTestError(
                f"Locust is not in {LOCUST.parents[1].relative_to(PROJECT)}, where `make loadtest` "
                "and `make integration` put it. Run one of them."
            )
        with tempfile.TemporaryDirectory() as scratch:
            bodies, figures = Path(scratch, "bodies.jsonl"), Path(scratch, "figures.json")
            bodies.write_text("\n".join(map(self._write_body, self.rows)), encoding="utf-8")
            command = [
                *(str(LOCUST), "-f", str(LOCUSTFILE), "--headless", "--only-summary"),
                *("--users", str(clients), "--spawn-rate", str(clients)),
                *("--run-time", f"{seconds + START_SECONDS}s"),
                *("--stop-timeout", str(STOP_SECONDS)),
                *("--host", str(self.workspace.config.host), "--exit-code-on-error", "0"),
            ]
            if report:
                report.parent.mkdir(exist_ok=True)
                command += ["--html", str(report)]
            # A new token for each level: tokens may expire after an hour.
            headers = {**self.workspace.config.authenticate(), "Content-Type": "application/json"}
            given = {
                "LOADTEST_BODIES": str(bodies),
                "LOADTEST_FIGURES": str(figures),
                "LOADTEST_HEADERS": json.dumps(headers),
                "LOADTEST_MOST_REQUESTS": str(MOST_REQUESTS),
                "LOADTEST_SECONDS": str(seconds),
                "LOADTEST_PATH": f"/serving-endpoints/{self.name}/invocations",
            }
            done = subprocess.run(
                command,
                env={**os.environ, **given},
                capture_output=True,
                text=True,
                timeout=seconds + 2 * START_SECONDS + STOP_SECONDS,
                check=False,
            )
            if done.returncode or not figures.exists():
                raise LoadTestError(f"Locust failed with {done.returncode}:\n{done.stderr[-2000:]}")
            return Level(clients=clients, **json.loads(figures.read_text(encoding="utf-8")))

    def _write_body(self, row: Mapping[str, Any]) -> str:
        return json.dumps({"client_request_id": LOAD_TEST, "dataframe_records": [row]})


def require_ready(endpoint: ServingEndpointDetailed) -> None:
    """Check that an endpoint can be queried at its workspace's address.

    Raises:
        LoadTestError: The endpoint is not ready, or route-optimized.
    """
    if endpoint.state is None or endpoint.state.ready != EndpointStateReady.READY:
        raise LoadTestError(f"Endpoint {endpoint.name} is not ready. Wait for its update.")
    if endpoint.route_optimized:
        raise LoadTestError(
            f"Endpoint {endpoint.name} is route-optimized: it has an address and tokens of its "
            "own, which this test does not know. Test one of the same model that is not."
        )


def read_concurrency(endpoint: ServingEndpointDetailed) -> int:
    """Return the maximum concurrency of an endpoint."""
    entities = (endpoint.config.served_entities if endpoint.config else None) or []
    return sum(
        entity.max_provisioned_concurrency or SIZES.get(entity.workload_size or "Small", 4)
        for entity in entities
    )


def choose_level(levels: Sequence[Level], limits: LoadLimits | None) -> Level | None:
    """Return the level with the most requests a second within the limits."""
    kept = [each for each in levels if not (each.violations(limits) if limits else each.failures)]
    return max(kept, key=lambda each: each.rps, default=None)


def recommend_concurrency(level: Level, concurrency: int, rps: float) -> int:
    """Return the provisioned concurrency for a rate, by Databricks' formula.

    `concurrency` is that of the measured endpoint, `rps` the required requests a second.
    """
    return concurrency * math.ceil(rps / level.rps)


def name_size(concurrency: int) -> str:
    """Return the workload size for a concurrency, or the setting if no size is large enough."""
    for name, most in SIZES.items():
        if concurrency <= most:
            return f"workload_size: {name}"
    return f"more than workload_size: Large has; min_provisioned_concurrency: {concurrency}"


def read_rows(workspace: WorkspaceClient, schema: str, most: int) -> list[dict[str, Any]]:
    """Return the latest input rows as JSON values, as an endpoint's callers would send them.

    They are read from the project's table in `schema`, a catalog and a schema. The endpoint's
    OpenAPI schema has names and types but no keys of the online features, and look-ups that find
    nothing are another load.
    """
    at, source = PROBLEM.spine.decision_at, PROBLEM.spine.source
    # Times of a request are UTC, as text without a zone. Online features have no time: FEATURES_AT
    # is in the schema, and ignored.
    times = f"CAST({at} AS STRING) AS {at}, CAST({at} AS STRING) AS {FEATURES_AT}"
    others = [name for name in PROBLEM.columns if name not in (at, FEATURES_AT)]
    columns = [*others, at, FEATURES_AT]
    found = run_statement(
        workspace,
        f"SELECT to_json(struct(*)) AS row FROM (SELECT {', '.join([*others, times])} "
        f"FROM {schema}.{source} ORDER BY {at} DESC, {', '.join(PROBLEM.keys)} LIMIT {most})",
    )
    # Spark omits NULL from JSON; the model needs all columns.
    rows = (json.loads(each["row"]) for each in found)
    return [{name: row.get(name) for name in columns} for row in rows]
