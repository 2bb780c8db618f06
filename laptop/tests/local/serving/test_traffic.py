import json
import math
from collections import Counter
from itertools import accumulate
from typing import Any

import pytest
from databricks.sdk.errors import ResourceDoesNotExist
from databricks.sdk.service.serving import (
    EndpointCoreConfigInput,
    Route,
    ServingEndpointsAPI,
    TrafficConfig,
)
from laptop.workspace import endpoint_traffic
from laptop.workspace.endpoint_traffic import EndpointMetrics, Measured, Traffic
from laptop.workspace.endpoints import Endpoints
from laptop.workspace.payloads import Payloads
from laptop.workspace.state import State
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ...conftest import until
from .conftest import MODEL, ROW, Workspace, ask, config, create, entity, no_engine, post

SHARES = {"most": 70, "some": 25, "few": 5, "none": 0}


def bounds(trials: int, percentage: int) -> range:
    """Return how often a share of the traffic answers, but for one run in a thousand million."""
    if percentage == 0:
        return range(1)
    share = percentage / 100
    ways = [
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        for k in range(trials + 1)
    ]
    chances = [
        math.exp(way + k * math.log(share) + (trials - k) * math.log(1 - share))
        for k, way in enumerate(ways)
    ]
    fewer = list(accumulate(chances))
    more = list(accumulate(reversed(chances)))[::-1]
    likely = [k for k in range(trials + 1) if min(fewer[k], more[k]) > 5e-10]
    return range(likely[0], likely[-1] + 1)


def split() -> EndpointCoreConfigInput:
    """Return a configuration of version 1 and 2 by turns."""
    entities = [entity(1 + number % 2, name=name) for number, name in enumerate(SHARES)]
    return config(*entities, **SHARES)


def test_entities_are_drawn_by_their_share_of_the_traffic(workspace: Workspace) -> None:
    state = State(workspace.state_dir)
    endpoints = Endpoints(state, Payloads(state, no_engine))
    endpoints.create({"name": "delay", "config": split().as_dict() | {"name": "delay"}})
    until(lambda: "config" in endpoints.get("delay"))
    trials = 20_000

    live = endpoints.live("delay")
    drawn = Counter(live.choose().name for _ in range(trials))

    for name, share in SHARES.items():
        assert drawn[name] in bounds(trials, share), drawn
    state.close()


def test_each_request_is_answered_by_the_entity_that_is_named(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    endpoints.create_and_wait("delay", config=split())
    versions = dict(zip(SHARES, (1, 2, 1, 2), strict=True))
    client = workspace.client()

    answers: Counter[str] = Counter()
    for _ in range(100):
        name, predictions = client.ask(ROW)
        assert predictions == pytest.approx([420.0 + 1000 * versions[name]])
        answers[name] += 1

    client.close()
    assert answers["most"] in bounds(100, SHARES["most"])
    assert answers["none"] == 0


@pytest.mark.parametrize("key", ["served_model_name", "served_entity_name"])
def test_a_route_names_its_entity_by_either_key(endpoints: ServingEndpointsAPI, key: str) -> None:
    wanted = config(entity(1, name="a"), entity(2, name="b"))
    wanted.traffic_config = TrafficConfig([Route(100, **{key: "b"})])

    endpoints.create_and_wait("delay", config=wanted)

    assert ask(endpoints) == pytest.approx(2420.0)


def test_one_served_entity_can_be_asked_whatever_its_share(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    entities = [entity(1, name="all"), entity(2, name="none")]
    endpoints.create_and_wait("delay", config=config(*entities, all=100, none=0))
    body = json.dumps({"dataframe_records": [ROW]}).encode()

    for name, expected in (("all", 1420.0), ("none", 2420.0)):
        path = f"delay/served-models/{name}/invocations"
        answer = post(workspace.url, body, path=path)
        assert answer == (200, {"predictions": pytest.approx([expected])})

    status, refused = post(workspace.url, body, path="delay/served-models/other/invocations")
    assert (status, refused["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert refused["message"].endswith("There are: all, none.")


KINDS = {
    "cpu_usage_percentage": "gauge",
    "mem_usage_percentage": "gauge",
    "provisioned_concurrent_requests_total": "gauge",
    "request_count_total": "gauge",
    "request_4xx_count_total": "gauge",
    "request_5xx_count_total": "gauge",
    "request_latency_ms": "histogram",
}


def parsed(text: str) -> tuple[dict[str, str], dict[tuple[str, str, str], float]]:
    """Return each metric's type, and each value by name, served entity and bucket."""
    metrics = list(text_string_to_metric_families(text))
    values: dict[tuple[str, str, str], float] = {}
    for name, labels, value, *_ in (sample for metric in metrics for sample in metric.samples):
        assert labels["endpoint_name"] == "delay"
        key = (name, labels["served_entity_name"], labels.get("le", ""))
        assert key not in values
        values[key] = value
    return {metric.name: metric.type for metric in metrics}, values


def exported(endpoints: ServingEndpointsAPI) -> str:
    contents = endpoints.export_metrics("delay").contents
    assert contents is not None
    return contents.read().decode()


def test_metrics_count_requests_by_served_entity(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    entities = [entity(1, name="all"), entity(2, name="none", workload_size="Medium")]
    endpoints.create_and_wait("delay", config=config(*entities, all=100, none=0))
    good = json.dumps({"dataframe_records": [ROW]}).encode()
    for body, kind, times in (
        (good, "application/json", 5),
        (b"{}", "application/json", 3),
        (good, "text/html", 1),
    ):
        for _ in range(times):
            post(workspace.url, body, kind)
    post(workspace.url, good, path="delay/served-models/none/invocations")

    kinds, values = parsed(exported(endpoints))

    assert kinds == KINDS
    expected = {
        ("request_count_total", "all"): 9,
        ("request_count_total", "none"): 1,
        ("request_4xx_count_total", "all"): 4,
        ("request_4xx_count_total", "none"): 0,
        ("request_5xx_count_total", "all"): 0,
        ("request_latency_ms_count", "all"): 9,
        ("request_latency_ms_count", "none"): 1,
        ("provisioned_concurrent_requests_total", "all"): 4,
        ("provisioned_concurrent_requests_total", "none"): 8,
    }
    assert {key: values[*key, ""] for key in expected} == expected
    buckets = [
        value for key, value in values.items() if key[:2] == ("request_latency_ms_bucket", "all")
    ]
    assert buckets == sorted(buckets)
    assert values["request_latency_ms_bucket", "all", "+Inf"] == 9
    assert 0 < values["request_latency_ms_sum", "none", ""] < 60_000
    assert 0 < values["cpu_usage_percentage", "all", ""] <= 100
    assert 0 < values["mem_usage_percentage", "all", ""] < 100


def test_latencies_fall_into_buckets_by_their_upper_bound() -> None:
    traffic = Traffic()
    for status, milliseconds in ((200, 5.0), (200, 5.1), (500, 50.0), (404, 700_000.0)):
        traffic.record(status, milliseconds)

    kinds, values = parsed(
        generate_latest(EndpointMetrics("delay", {"one": Measured(traffic, 4)})).decode()
    )

    counts = {
        bound: values["request_latency_ms_bucket", "one", bound]
        for bound in ("5", "10", "25", "50", "600000", "+Inf")
    }
    assert counts == {"5": 1, "10": 2, "25": 2, "50": 3, "600000": 3, "+Inf": 4}
    assert values["request_latency_ms_sum", "one", ""] == pytest.approx(700_060.1)
    assert values["request_5xx_count_total", "one", ""] == 1
    assert kinds["request_latency_ms"] == "histogram"


def test_only_the_last_minute_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    traffic = Traffic()
    monkeypatch.setattr(endpoint_traffic, "WINDOW_SECONDS", 0.0)
    traffic.record(200, 1.0)
    assert traffic.recent() == []
    monkeypatch.setattr(endpoint_traffic, "WINDOW_SECONDS", 60.0)
    traffic.record(200, 1.0)
    assert len(traffic.recent()) == 1


@pytest.mark.parametrize("call", ["export_metrics", "build_logs", "logs", "query", "get", "delete"])
def test_an_endpoint_that_is_not_there_is_missing_everywhere(
    standing: tuple[ServingEndpointsAPI, str], call: str
) -> None:
    arguments: dict[str, Any] = {"served_model_name": "delay-1"} if call.endswith("logs") else {}
    with pytest.raises(ResourceDoesNotExist, match=r"'other' does not exist\. There are: delay"):
        getattr(standing[0], call)("other", **arguments)


@pytest.mark.parametrize("call", ["build_logs", "logs"])
def test_logs_are_of_a_served_entity_that_is_there(
    standing: tuple[ServingEndpointsAPI, str], call: str
) -> None:
    with pytest.raises(
        ResourceDoesNotExist, match=r"'delay-9' does not exist\. There are: delay-1"
    ):
        getattr(standing[0], call)("delay", served_model_name="delay-9")


def test_the_build_s_log_tells_what_was_loaded(endpoints: ServingEndpointsAPI) -> None:
    create(endpoints)

    first, last = endpoints.build_logs("delay", "delay-1").logs.splitlines()

    assert first.endswith(f"Loading version 1 of {MODEL} into this workspace.")
    assert "Loaded in" in last
    assert endpoints.logs("delay", "delay-1").logs == ""
