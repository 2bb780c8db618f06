"""Requests of an inference table are parsed or quarantined with a reason."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from flight_delays.lakehouse.payloads import (
    AskedRow,
    Payload,
    PayloadError,
    read_value,
    unpack,
)

ROWS: list[dict[str, Any]] = [{"carrier": "UA", "hour": 7}, {"carrier": "B6", "hour": None}]
GOOD = Payload(
    request_id="b6f1",
    request_time=datetime(2026, 3, 1, tzinfo=UTC),
    status=200,
    entity="e1",
    request=json.dumps({"dataframe_records": ROWS}),
    response=json.dumps({"predictions": [0.25, 0.5]}),
)


def with_request(**body: Any) -> Payload:
    return replace(GOOD, request=json.dumps(body))


def with_response(**body: Any) -> Payload:
    return replace(GOOD, response=json.dumps(body))


@pytest.mark.parametrize(
    "payload",
    [
        GOOD,
        with_request(
            dataframe_split={"columns": ["carrier", "hour"], "data": [["UA", 7], ["B6", None]]}
        ),
        with_request(dataframe_split={"index": [4, 5], "columns": ["carrier", "hour"],
                                      "data": [["UA", 7], ["B6", None]]}),
        with_request(instances=ROWS),
        with_request(inputs=ROWS),
        with_request(inputs={"carrier": ["UA", "B6"], "hour": [7, None]}),
        with_request(
            dataframe_records=ROWS, client_request_id="mine", databricks_options={}, later="?"
        ),
        with_response(predictions=[[0.25], [0.5]]),
        with_response(predictions=[{"late": 0.25}, {"late": 0.5}]),
        replace(GOOD, share=None),
    ],
)  # fmt: skip
def test_rows_of_every_form_are_read_in_order(payload: Payload) -> None:
    assert unpack(payload) == [AskedRow(ROWS[0], None, 0.25), AskedRow(ROWS[1], None, 0.5)]


def trace(span: dict[str, Any]) -> Payload:
    return with_response(
        predictions=[0.25, 0.5], databricks_output={"trace": {"data": {"spans": [span]}}}
    )


SEEN = [{"carrier": "UA", "temperature": 1.5}, {"carrier": "B6", "temperature": None}]


@pytest.mark.parametrize(
    "span",
    [
        {"name": "custom_model", "inputs": {"model_input": SEEN}},
        {
            "name": "custom_model",
            "attributes": {"mlflow.spanInputs": json.dumps({"model_input": SEEN})},
        },
    ],
)
def test_features_are_those_that_a_trace_shows(span: dict[str, Any]) -> None:
    assert [row.features for row in unpack(trace(span))] == SEEN


@pytest.mark.parametrize(
    "span",
    [
        {"name": "another", "inputs": {"model_input": SEEN}},
        {"name": "custom_model", "inputs": {"model_input": SEEN[:1]}},
        {"name": "custom_model", "attributes": {"mlflow.spanInputs": "{cut"}},
        {"name": "custom_model"},
    ],
)
def test_a_trace_that_does_not_fit_is_left_to_a_look_up(span: dict[str, Any]) -> None:
    assert [row.features for row in unpack(trace(span))] == [None, None]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (replace(GOOD, status=500), "status 500"),
        (replace(GOOD, status=None), "status None"),
        (replace(GOOD, faults=["MAX_REQUEST_SIZE_EXCEEDED"]), "MAX_REQUEST_SIZE_EXCEEDED"),
        (replace(GOOD, share=0.1), "share of 0.1"),
        (replace(GOOD, request=None), "no request"),
        (replace(GOOD, response='{"predictions": [0.2'), "response is not JSON"),
        (replace(GOOD, request="[1]"), "not a JSON object"),
        (with_request(other=ROWS), "unknown form"),
        (with_request(dataframe_records=[]), "no rows"),
        (with_request(instances=[[1, 2], [3, 4]]), "no rows with named columns"),
        (with_request(inputs={"a": [1, 2], "b": [1]}), "different lengths"),
        (with_request(dataframe_split={"columns": ["a"], "data": [[1, 2]]}), "fit together"),
        (with_response(predictions=[0.25]), "1 predictions for 2 rows"),
        (with_response(outputs=[1, 2]), "no list of predictions"),
        (with_response(predictions=[0.25, None]), "not a number"),
        (with_response(predictions=[0.25, float("nan")]), "not a number"),
        (with_response(predictions=[0.25, True]), "not a number"),
        (with_response(predictions=[0.25, [0.1, 0.9]]), "not a number"),
    ],
)
def test_what_cannot_be_taken_apart_is_kept_aside_with_its_reason(
    payload: Payload, reason: str
) -> None:
    with pytest.raises(PayloadError, match=reason):
        unpack(payload)


@pytest.mark.parametrize(
    ("kind", "given", "taken"),
    [
        ("STRING", "UA", "UA"),
        ("STRING", 12, "12"),
        ("STRING", "\ud800", None),
        ("BIGINT", 2**63 - 1, 2**63 - 1),
        ("BIGINT", 2**63, None),
        ("BIGINT", "41", 41),
        ("BIGINT", 41.0, 41),
        ("BIGINT", 41.5, None),
        ("BIGINT", "UA-12", None),
        ("BIGINT", True, None),
        ("BIGINT", float("inf"), None),
        ("TINYINT", 128, None),
        ("DOUBLE", "abc", None),
        ("DOUBLE", "1.5", 1.5),
        ("DOUBLE", 10**400, None),
        ("TIMESTAMP", "2013-05-01T12:00:00", datetime(2013, 5, 1, 12, tzinfo=UTC)),
        ("TIMESTAMP", "2013-05-01T12:00:00+01:00", datetime(2013, 5, 1, 11, tzinfo=UTC)),
        ("TIMESTAMP", "0001-01-01T00:00:00+05:00", None),
        ("TIMESTAMP", 7, None),
        ("BOOLEAN", True, "True"),
        ("DATE", [1], None),
        ("BIGINT", None, None),
    ],
)
def test_values_of_a_request_are_taken_as_their_column_has_them_or_not_at_all(
    kind: str, given: Any, taken: Any
) -> None:
    assert read_value(kind, given) == taken
