"""The endpoint, as the jobs have left it: what it serves, and how fast it answers."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles
from typing import Any

from databricks.sdk.service.serving import EndpointStateConfigUpdate, EndpointStateReady

from flight_delays.lakehouse.endpoint import endpoint_name, served_versions
from flight_delays.problem import PROBLEM
from flight_delays.spec.problem import FEATURES_AT

from .conftest import Deployment

REQUESTS = 100
CLIENTS = 4


def drop_zone(instant: str) -> str:
    """Return an instant in UTC as an endpoint takes it: MLflow refuses one with a zone."""
    return instant.removesuffix("Z")


JSON_TYPES: dict[str, Callable[[str], object]] = {
    "BIGINT": int,
    "INT": int,
    "DOUBLE": float,
    "TIMESTAMP": drop_zone,
}


def as_json_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose values came as text, as JSON has its types."""
    types = {
        **PROBLEM.require_source(PROBLEM.spine.source).columns,
        FEATURES_AT: "TIMESTAMP",
    }
    return {
        name: value if value is None else JSON_TYPES.get(types[name], str)(value)
        for name, value in row.items()
    }


def test_champion_is_what_the_endpoint_serves(deployment: Deployment) -> None:
    champion = deployment.champion()
    endpoint = deployment.workspace.serving_endpoints.get(endpoint_name(deployment.model))
    assert served_versions(endpoint) == [(deployment.model, str(champion))]
    assert endpoint.state is not None
    assert endpoint.state.ready == EndpointStateReady.READY
    assert endpoint.state.config_update == EndpointStateConfigUpdate.NOT_UPDATING
    assert endpoint.config is not None
    assert endpoint.config.traffic_config is not None
    routes = endpoint.config.traffic_config.routes or []
    assert [route.traffic_percentage for route in routes] == [100]


def test_endpoint_answers_a_small_load(deployment: Deployment, figures: dict[str, str]) -> None:
    spine = PROBLEM.spine
    latest = ", ".join((f"{spine.decision_at} DESC", *PROBLEM.keys))
    columns = [column for column in PROBLEM.columns if column != FEATURES_AT]
    rows = deployment.sql(
        f"SELECT {', '.join(columns)}, {spine.decision_at} AS {FEATURES_AT} "
        f"FROM {deployment.source}.{spine.source} "
        f"ORDER BY {latest} LIMIT {REQUESTS}"
    )
    endpoint = endpoint_name(deployment.model)

    def ask(row: dict[str, Any]) -> tuple[float, list[Any]]:
        start = time.perf_counter()
        record = as_json_row(row)
        answer = deployment.workspace.serving_endpoints.query(endpoint, dataframe_records=[record])
        return time.perf_counter() - start, answer.predictions or []

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(ask, rows))
    assert len(answers) == REQUESTS
    assert [p for _, p in answers if len(p) != 1 or not PROBLEM.model_type.allows(p[0])] == []
    assert len({p[0] for _, p in answers}) > 1, "every row got the same answer"
    percentiles = quantiles([seconds for seconds, _ in answers], n=100)
    for percent in (50, 95):
        name = f"endpoint, p{percent} of {REQUESTS} requests by {CLIENTS} clients, ms"
        figures[name] = f"{1000 * percentiles[percent - 1]:.0f}"
