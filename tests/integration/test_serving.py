"""The endpoint after the jobs: served version, predictions and latency."""

import pytest
from databricks.sdk.service.serving import EndpointStateConfigUpdate, EndpointStateReady

from flight_delays.config.serving import load_serving
from flight_delays.lakehouse.endpoint import endpoint_name, read_configuration
from flight_delays.problem import PROBLEM

from .conftest import Deployment
from delivery.results import Result
from loadtest.sweep import REPORTS, Target, read_concurrency, read_rows

ROWS = 100


def test_endpoint_serves_only_the_champion(deployment: Deployment) -> None:
    champion = deployment.champion()
    endpoint = deployment.workspace.serving_endpoints.get(endpoint_name(deployment.model))
    (served,) = (part.entity for part in read_configuration(endpoint))
    assert (served.entity_name, served.entity_version) == (deployment.model, str(champion))
    assert endpoint.state is not None
    assert endpoint.state.ready == EndpointStateReady.READY
    assert endpoint.state.config_update == EndpointStateConfigUpdate.NOT_UPDATING
    assert endpoint.config is not None
    assert endpoint.config.traffic_config is not None
    routes = endpoint.config.traffic_config.routes or []
    assert [route.traffic_percentage for route in routes] == [100]


def test_endpoint_answers_each_row(deployment: Deployment) -> None:
    rows = read_rows(deployment.workspace, deployment.source, ROWS)
    assert len(rows) == ROWS
    endpoint = endpoint_name(deployment.model)
    answer = deployment.workspace.serving_endpoints.query(endpoint, dataframe_records=rows)
    predictions = answer.predictions or []
    assert len(predictions) == ROWS
    assert [p for p in predictions if not PROBLEM.model_type.allows(p)] == []
    assert len(set(predictions)) > 1, "every row got the same answer"


def test_endpoint_keeps_its_limits_under_load(
    deployment: Deployment, figures: dict[str, str], measured: list[Result]
) -> None:
    limits = load_serving().load_test
    if limits is None:
        pytest.skip("conf/serving.yml has no load_test: no load was put on the endpoint")
    name = endpoint_name(deployment.model)
    endpoint = deployment.workspace.serving_endpoints.get(name)
    rows = read_rows(deployment.workspace, deployment.source, ROWS)
    target = Target(deployment.workspace, name, deployment.schema, read_concurrency(endpoint), rows)
    target.wake()
    target.measure(limits.clients, max(1, limits.seconds // 2))
    level = target.measure(limits.clients, limits.seconds, REPORTS / "loadtest.html")
    measured += level.as_results(limits.seconds, limits)
    prefix = f"endpoint, {limits.clients} clients for {limits.seconds} s"
    figures[f"{prefix}: requests a second"] = f"{level.rps:.1f}"
    for percent, value in (50, level.p50_ms), (95, level.p95_ms), (99, level.p99_ms):
        figures[f"{prefix}: p{percent}, ms"] = f"{value:.0f}"
    figures[f"{prefix}: errors"] = f"{level.errors:.2%}"
    assert level.violations(limits) == []
