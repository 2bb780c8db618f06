"""The deployed jobs, run in the order of the lifecycle; `test_results` looks at what they left."""

import time
from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles
from typing import Any

from flight_delays.lakehouse.endpoint import is_probability, name_endpoint
from flight_delays.problem.sources import KEYS

from .conftest import Deployment
from delivery.databricks import run_bundle

REQUESTS = 100
CLIENTS = 4


def run(deployment: Deployment, job: str, figures: dict[str, str]) -> None:
    """Run a job to its end; one that fails ends the test with what the CLI said."""
    start = time.monotonic()
    run_bundle("run", job, target=deployment.target)
    figures[f"{job}, seconds"] = f"{time.monotonic() - start:.0f}"


def test_features_are_refreshed(deployment: Deployment, figures: dict[str, str]) -> None:
    run(deployment, "feature_refresh", figures)


def test_a_model_is_trained_validated_and_deployed(
    deployment: Deployment, figures: dict[str, str]
) -> None:
    before = deployment.newest()
    run(deployment, "model_training", figures)
    assert deployment.newest() == before + 1


def test_endpoint_answers_a_small_load(deployment: Deployment, figures: dict[str, str]) -> None:
    columns = ", ".join((*KEYS, "dest", "tailnum", "decision_at"))
    flights = deployment.sql(
        f"SELECT {columns} FROM {deployment.source}.flights "
        f"ORDER BY decision_at DESC, carrier, flight LIMIT {REQUESTS}"
    )
    endpoint = name_endpoint(deployment.model)

    def ask(flight: dict[str, Any]) -> tuple[float, list[Any]]:
        start = time.perf_counter()
        record = {**flight, "flight": int(flight["flight"])}
        answer = deployment.workspace.serving_endpoints.query(endpoint, dataframe_records=[record])
        return time.perf_counter() - start, answer.predictions or []

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(ask, flights))
    assert len(answers) == REQUESTS
    assert [p for _, p in answers if len(p) != 1 or not is_probability(p[0])] == []
    assert len({p[0] for _, p in answers}) > 1, "every flight got the same answer"
    percentiles = quantiles([seconds for seconds, _ in answers], n=100)
    for percent in (50, 95):
        name = f"endpoint, p{percent} of {REQUESTS} requests by {CLIENTS} clients, ms"
        figures[name] = f"{1000 * percentiles[percent - 1]:.0f}"


def test_the_latest_flights_are_scored(deployment: Deployment, figures: dict[str, str]) -> None:
    run(deployment, "batch_inference", figures)
