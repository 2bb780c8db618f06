import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound
from databricks.sdk.errors import NotImplemented as NotBuilt
from databricks.sdk.service.serving import (
    AiGatewayConfig,
    AiGatewayRateLimit,
    AiGatewayRateLimitRenewalPeriod,
    AiGatewayUsageTrackingConfig,
    ServingEndpointsAPI,
)
from laptop import connection
from laptop.workspace.payload_rows import (
    COLUMNS,
    MOST_LOGGED_BYTES,
    PROPERTIES,
    REQUEST_TOO_LARGE,
    RESPONSE_TOO_LARGE,
)
from laptop.workspace.serving_faults import FILE
from mlflow.entities import Trace

from ...conftest import until, write_toy
from .conftest import ROW, config, entity
from .logged import Logged, prepare, table


@pytest.fixture(scope="module")
def logged(folder: Path) -> Iterator[Logged]:
    with pytest.MonkeyPatch.context() as patch:
        # No task runs here.
        patch.setenv("LAPTOP_NO_FORK", "1")
        toy = write_toy(folder / "payloads")
        yield prepare(toy)
        connection.stop(toy.state_dir)


def test_a_request_and_its_answer_are_rows_of_the_payload_table(logged: Logged) -> None:
    name = logged.create("rows")
    client: WorkspaceClient = logged.client
    placeholder = client.tables.get(name)
    assert [column.name for column in placeholder.columns or []] == ["databricks_request_id"]

    client.serving_endpoints.query("rows", dataframe_records=[ROW], client_request_id="mine")

    (row,) = logged.wait(name)
    assert row["client_request_id"] == "mine"
    assert (row["status_code"], row["sampling_fraction"]) == (200, 1.0)
    assert json.loads(row["request"]) == {"client_request_id": "mine", "dataframe_records": [ROW]}
    assert json.loads(row["response"]) == {"predictions": pytest.approx([1420.0])}
    assert row["logging_error_codes"] == []
    assert row["request_date"] == row["request_time"].date()
    assert row["execution_duration_ms"] >= 0
    assert len(bytes.fromhex(row["served_entity_id"])) == 16
    uuid.UUID(row["databricks_request_id"])
    shown = client.tables.get(name)
    assert shown.table_id == placeholder.table_id
    assert [(c.name, c.type_text) for c in shown.columns or []] == [(n, t) for n, t, _ in COLUMNS]
    assert (shown.properties or {}).items() >= PROPERTIES.items()


def test_answers_name_their_request(logged: Logged) -> None:
    name = logged.create("named")

    answer = logged.ask("named", {"dataframe_records": [ROW]})
    refused = logged.ask("named", {"dataframe_records": [{}]})

    assert refused.status_code == 400
    rows = logged.wait(name, 2)
    for row, said in zip(rows, (answer, refused), strict=True):
        headers = said.headers
        identifier = row["databricks_request_id"]
        assert headers["databricks-request-id"] == headers["x-databricks-request-id"] == identifier
        assert row["status_code"] == said.status_code
        assert row["response"] == said.text


def test_a_failure_of_the_server_is_counted_and_not_logged(logged: Logged) -> None:
    name = logged.create("failed")

    with pytest.raises(NotBuilt, match="stream"):
        logged.client.serving_endpoints.query("failed", dataframe_records=[ROW], stream=True)
    logged.client.serving_endpoints.query("failed", dataframe_records=[ROW])

    (row,) = logged.wait(name)
    assert row["status_code"] == 200
    metrics = logged.client.serving_endpoints.export_metrics("failed").contents
    assert metrics is not None
    lines = metrics.read().splitlines()
    (count,) = [line for line in lines if line.startswith(b"request_5xx_count_total{")]
    assert float(count.split()[1]) == 1


def test_payloads_show_the_faults_of_an_entity_but_for_its_failures(logged: Logged) -> None:
    name = logged.create("faulty")
    body = {"dataframe_records": [ROW]}
    faults = logged.toy.state_dir.path / FILE
    faults.write_text("delay-1: {delay_ms: 250, null_share: 1}")
    try:
        slow = logged.ask("faulty", body)
        faults.write_text("delay-1: {error_share: 1}")
        failed = logged.ask("faulty", body)
    finally:
        faults.unlink()
    logged.ask("faulty", body)

    first, last = logged.wait(name, 2)
    assert (slow.status_code, failed.status_code) == (200, 500)
    assert json.loads(first["response"]) == slow.json() == {"predictions": [None]}
    assert first["execution_duration_ms"] >= 250
    assert json.loads(last["response"]) == {"predictions": pytest.approx([1420.0])}


def test_what_is_over_1_mib_is_null_with_the_reason(logged: Logged) -> None:
    name = logged.create("large")
    padded = json.dumps({"dataframe_records": [ROW]}).ljust(MOST_LOGGED_BYTES)
    many = {"dataframe_records": [ROW] * 80_000}

    logged.ask("large", padded)
    logged.ask("large", f"{padded} ")
    logged.ask("large", many)

    exact, request, both = logged.wait(name, 3)
    assert exact["request"] == padded
    assert exact["logging_error_codes"] == []
    assert (request["request"], request["logging_error_codes"]) == (None, [REQUEST_TOO_LARGE])
    assert request["response"] == exact["response"]
    assert (both["request"], both["response"], both["status_code"]) == (None, None, 200)
    assert both["logging_error_codes"] == [REQUEST_TOO_LARGE, RESPONSE_TOO_LARGE]


def test_look_ups_are_traced_where_the_entity_asks_for_it(logged: Logged) -> None:
    variables = {"ENABLE_FEATURE_TRACING": "true"}
    name = logged.create("traced", environment_vars=variables)
    endpoints: ServingEndpointsAPI = logged.client.serving_endpoints
    unseen = ROW | {"origin": "LGA"}

    answer = endpoints.query("traced", dataframe_records=[ROW, unseen])
    asked = {"databricks_options": {"return_trace": True}}
    traced = logged.ask("traced", {"dataframe_records": [ROW], **asked})

    assert answer.predictions == pytest.approx([1420.0, 990.0])
    config_shown = endpoints.get("traced").config
    assert config_shown
    assert [each.environment_vars for each in config_shown.served_entities or []] == [variables]
    first, second = logged.wait(name, 2)
    assert second["response"] == traced.text
    output = json.loads(first["response"])["databricks_output"]
    assert output["databricks_request_id"] == first["databricks_request_id"]
    trace = Trace.from_dict(output["trace"])
    again = trace.to_dict()
    assert again["data"] == output["trace"]["data"]
    assert again["info"] | {"trace_location": {}} == output["trace"]["info"] | {
        "trace_location": {}
    }
    assert trace.info.client_request_id == first["databricks_request_id"]
    whole, model = trace.data.spans
    assert (whole.name, whole.span_type, whole.parent_id) == (
        "databricks_feature_store",
        "RETRIEVER",
        None,
    )
    assert (model.name, model.span_type, model.parent_id) == (
        "custom_model",
        "RETRIEVER",
        whole.span_id,
    )
    known, missing = model.inputs["model_input"]
    assert known == {"distance": 100.0, "temp": 2.0, "wind": 3}
    assert missing["temp"] != missing["temp"]
    assert (missing["distance"], missing["wind"]) == (100.0, -1)


def test_without_the_variable_an_answer_has_no_trace(logged: Logged) -> None:
    logged.create("untraced", environment_vars={"ENABLE_FEATURE_TRACING": "false"})

    asked = {"databricks_options": {"return_trace": True}}
    answer = logged.ask("untraced", {"dataframe_records": [ROW], **asked})

    output = answer.json()["databricks_output"]
    assert output == {"databricks_request_id": answer.headers["databricks-request-id"]}


def test_each_version_of_an_entity_has_an_identifier_that_lasts(logged: Logged) -> None:
    name = logged.create("known")
    endpoints: ServingEndpointsAPI = logged.client.serving_endpoints

    for number in (1, 2, 1):
        entities = [entity(number, name="only")]
        endpoints.update_config_and_wait("known", served_entities=entities)
        endpoints.query("known", dataframe_records=[ROW], client_request_id=str(number))

    rows = logged.wait(name, 3)
    first, second, third = [row["served_entity_id"] for row in rows]
    assert first == third != second


def test_an_inference_table_is_switched_on_and_off(logged: Logged) -> None:
    endpoints: ServingEndpointsAPI = logged.client.serving_endpoints
    endpoints.create_and_wait("switched", config=config(entity(1)))
    endpoints.query("switched", dataframe_records=[ROW], client_request_id="before")
    usage = AiGatewayUsageTrackingConfig(enabled=True)

    answer = endpoints.put_ai_gateway(
        "switched", inference_table_config=table("switched"), usage_tracking_config=usage
    )

    assert answer.inference_table_config == table("switched")
    shown = endpoints.get("switched").ai_gateway
    assert shown is not None
    assert shown.as_dict() == {
        "inference_table_config": table("switched").as_dict(),
        "usage_tracking_config": usage.as_dict(),
    }
    endpoints.query("switched", dataframe_records=[ROW], client_request_id="within")
    for other in (table("other"), table("switched", schema_name="default")):
        with pytest.raises(InvalidParameterValue, match="Disable it first"):
            endpoints.put_ai_gateway("switched", inference_table_config=other)
    # All parts are replaced, and what is the same goes on.
    endpoints.put_ai_gateway("switched", inference_table_config=table("switched"))
    shown = endpoints.get("switched").ai_gateway
    assert shown is not None
    assert shown.as_dict() == {"inference_table_config": table("switched").as_dict()}
    off = table("switched", enabled=False)
    endpoints.put_ai_gateway("switched", inference_table_config=off)
    endpoints.query("switched", dataframe_records=[ROW], client_request_id="after")
    with pytest.raises(BadRequest, match="switched_payload already exists"):
        endpoints.put_ai_gateway("switched", inference_table_config=table("switched"))
    endpoints.put_ai_gateway("switched", inference_table_config=table("again"))
    endpoints.query("switched", dataframe_records=[ROW], client_request_id="again")

    (row,) = logged.wait("dev.shop.again_payload")
    assert row["client_request_id"] == "again"
    (row,) = logged.wait("dev.shop.switched_payload")
    assert row["client_request_id"] == "within"


def test_a_gateway_that_cannot_be_is_refused(logged: Logged) -> None:
    endpoints: ServingEndpointsAPI = logged.client.serving_endpoints
    endpoints.create_and_wait("refused", config=config(entity(1)))
    limit = AiGatewayRateLimit(AiGatewayRateLimitRenewalPeriod.MINUTE, calls=1)
    for wanted, error, message in (
        (table("x", catalog_name="nowhere"), NotFound, "Catalog 'nowhere' does not exist"),
        (table("x", schema_name="nowhere"), NotFound, "Schema 'dev.nowhere' does not exist"),
        (table("x", schema_name=None), InvalidParameterValue, "'schema_name' is required"),
        (table("x.y"), InvalidParameterValue, "has a space, a period or a slash"),
    ):
        with pytest.raises(error, match=message):
            endpoints.put_ai_gateway("refused", inference_table_config=wanted)
        gateway = AiGatewayConfig(inference_table_config=wanted)
        with pytest.raises(error, match=message):
            endpoints.create("never", config=config(entity(1)), ai_gateway=gateway)
    with pytest.raises(NotBuilt, match="rate_limits"):
        endpoints.put_ai_gateway("refused", rate_limits=[limit])
    with pytest.raises(NotFound, match="'never' does not exist"):
        endpoints.get("never")
    with pytest.raises(NotFound, match="'never' does not exist"):
        endpoints.put_ai_gateway("never", inference_table_config=table("x"))
    assert endpoints.get("refused").ai_gateway is None


@pytest.mark.parametrize("statement", ["DROP TABLE {}", "ALTER TABLE {} ADD COLUMNS (x INT)"])
def test_a_payload_table_that_is_dropped_or_changed_stops_the_logging_alone(
    logged: Logged, statement: str
) -> None:
    name = logged.create(endpoint := f"stopped{len(statement)}")
    client = logged.client
    client.statement_execution.execute_statement(statement.format(name), "laptop")

    client.serving_endpoints.query(endpoint, dataframe_records=[ROW])

    def said() -> str:
        return client.serving_endpoints.logs(endpoint, "delay-1").logs

    until(lambda: "Payloads are no longer logged" in said())
    assert name in said()
    answer = client.serving_endpoints.query(endpoint, dataframe_records=[ROW])
    assert answer.predictions == pytest.approx([1420.0])


def test_the_payload_table_is_read_by_laptop_sql(logged: Logged) -> None:
    name = logged.create("read")
    logged.client.serving_endpoints.query("read", dataframe_records=[ROW])
    logged.wait(name)

    shown = logged.toy.call("sql", f"SELECT status_code, logging_error_codes FROM {name}")

    assert (shown.status, "200" in shown.out) == (0, True)
