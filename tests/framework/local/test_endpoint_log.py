"""The endpoint's inference table: enabled by each rollout; versions with traffic are marked."""

from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import (
    AiGatewayInferenceTableConfig,
    AiGatewayUsageTrackingConfig,
    ServedEntityInput,
)

from flight_delays.lakehouse.endpoint import (
    delete_endpoint,
    describe_entity,
    send_configuration,
    serve_alone,
)
from flight_delays.lakehouse.errors import EndpointError
from flight_delays.lakehouse.payload_log import TRACING, find_payload_tables

from tests.conftest import SCHEMA, Laptop
from tests.framework.local.test_rollout import (
    ENDPOINT,
    NEW,
    OLD,
    REFUSAL,
    REGISTER,
    SIZE,
    TRIAL,
    connect,
    fail,
    has_zero,
    refusing,
    roll,
    shares,
)


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


def log_of(workspace: WorkspaceClient) -> AiGatewayInferenceTableConfig:
    gateway = workspace.serving_endpoints.get(ENDPOINT).ai_gateway
    assert gateway is not None
    assert gateway.inference_table_config is not None
    return gateway.inference_table_config


def table_of(workspace: WorkspaceClient) -> str:
    """Return the endpoint's inference table."""
    log = log_of(workspace)
    assert log.enabled
    return f"{log.catalog_name}.{log.schema_name}.{log.table_name_prefix}_payload"


def test_each_endpoint_logs_to_a_table_of_its_own_in_the_models_schema(
    workspace: WorkspaceClient,
) -> None:
    before = find_payload_tables(workspace, SCHEMA)
    made = []
    for _ in range(2):
        roll(workspace, OLD, None)
        made.append(table_of(workspace))
        delete_endpoint(workspace, ENDPOINT)

    assert find_payload_tables(workspace, SCHEMA) == [*before, *made]
    assert before[0] == f"{SCHEMA}.endpoint_payload"
    assert made[0] == f"{SCHEMA}.endpoint_{len(before) + 1}_payload"


def test_a_rollout_leaves_a_log_that_is_on(workspace: WorkspaceClient) -> None:
    roll(workspace, OLD, None)
    table = table_of(workspace)

    roll(workspace, NEW, OLD)

    assert table_of(workspace) == table


def test_an_endpoint_of_earlier_code_comes_to_log_and_to_trace(workspace: WorkspaceClient) -> None:
    untraced = describe_entity(OLD, SIZE)
    untraced.environment_vars = None
    send_configuration(workspace, ENDPOINT, serve_alone(untraced))
    usage = AiGatewayUsageTrackingConfig(enabled=True)
    workspace.serving_endpoints.put_ai_gateway(ENDPOINT, usage_tracking_config=usage)

    roll(workspace, OLD, OLD)

    endpoint = workspace.serving_endpoints.get(ENDPOINT)
    assert endpoint.config is not None
    assert [each.environment_vars for each in endpoint.config.served_entities or []] == [TRACING]
    assert table_of(workspace) == find_payload_tables(workspace, SCHEMA)[-1]
    assert endpoint.ai_gateway is not None
    assert endpoint.ai_gateway.usage_tracking_config == usage


def test_a_log_whose_table_was_dropped_goes_on_in_another(workspace: WorkspaceClient) -> None:
    roll(workspace, OLD, None)
    dropped = table_of(workspace)
    roll(workspace, OLD, OLD)
    workspace.tables.delete(dropped)

    roll(workspace, OLD, OLD)

    assert table_of(workspace) == find_payload_tables(workspace, SCHEMA)[-1]


def test_after_each_update_what_has_traffic_is_marked(workspace: WorkspaceClient) -> None:
    seen: list[Any] = []

    def mark(endpoint: str, entity: ServedEntityInput) -> None:
        seen.append((endpoint, entity.entity_version, shares(workspace)))

    def check(endpoint: str, entity: str) -> None:
        seen.append((endpoint, entity))

    roll(workspace, OLD, None, check, mark=mark)
    roll(workspace, NEW, OLD, check, mark=mark)

    assert seen == [
        (ENDPOINT, "rolled_out-1"),
        (ENDPOINT, "1", {"1": 100, "2": 0}),
        (ENDPOINT, "rolled_out-2"),
        (ENDPOINT, "2", {"1": 0, "2": 100}),
        (ENDPOINT, "2", {"2": 100}),
    ]


def test_a_version_that_was_asked_apart_is_marked_where_it_serves(
    environment: dict[str, str], workspace: WorkspaceClient
) -> None:
    roll(workspace, OLD, None)
    seen: list[str] = []
    with refusing(environment, has_zero) as strict:
        roll(strict, NEW, OLD, mark=lambda endpoint, _: seen.append(endpoint))
    assert seen == [ENDPOINT]


def test_a_former_version_that_does_not_answer_stops_no_rollout(
    workspace: WorkspaceClient, capsys: pytest.CaptureFixture[str]
) -> None:
    roll(workspace, OLD, None)

    def mark(_: str, entity: ServedEntityInput) -> None:
        if entity.entity_version == "1":
            fail()

    roll(workspace, NEW, OLD, mark=mark)

    assert shares(workspace) == {"2": 100}
    assert "rolled_out-1 still answers may stay unknown" in capsys.readouterr().out


def test_where_no_log_can_be_switched_on_the_rollout_says_what_to_grant(
    environment: dict[str, str], workspace: WorkspaceClient
) -> None:
    send_configuration(workspace, ENDPOINT, serve_alone(describe_entity(OLD, SIZE)))

    def is_log(body: dict[str, Any]) -> bool:
        return "inference_table_config" in body

    grants = (
        rf"{REFUSAL}.* Grant .* USE CATALOG on dev, and USE SCHEMA and CREATE TABLE on {SCHEMA}"
    )
    with (
        refusing(environment, is_log, 403, "PERMISSION_DENIED") as strict,
        pytest.raises(EndpointError, match=grants),
    ):
        roll(strict, NEW, OLD)
    assert shares(workspace) == {"1": 100}
