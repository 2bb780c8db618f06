import http.client
import json
from typing import Any

import pytest
from databricks.sdk.errors import BadRequest
from databricks.sdk.errors import NotImplemented as NotBuilt
from databricks.sdk.service.serving import DataframeSplitInput, ServingEndpointsAPI
from laptop.workspace.serving import MOST_BYTES

from .conftest import ROW, Workspace, ask, create, post

COLUMNS = {name: [value] for name, value in ROW.items()}
FIRST = pytest.approx([1420.0])


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [ROW]},
        {"dataframe_split": DataframeSplitInput(columns=list(ROW), data=[list(ROW.values())])},
        {"dataframe_split": DataframeSplitInput([*ROW][::-1], [[*ROW.values()][::-1]], [7])},
        {"instances": [ROW]},
        {"inputs": COLUMNS},
        {"inputs": [ROW]},
        {"inputs": ROW},
        {"dataframe_records": [ROW], "client_request_id": "mine", "usage_context": {"team": "a"}},
    ],
)
def test_a_request_may_come_in_each_of_mlflow_s_formats(
    standing: tuple[ServingEndpointsAPI, str], body: dict[str, Any]
) -> None:
    answer = standing[0].query("delay", **body)

    assert answer.predictions == FIRST
    assert answer.served_model_name == "delay-1"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"origin": "LGA"}, 1000 + 100 - 10 - 100),
        ({"origin": None}, 1000 + 100 - 10 - 100),
        ({"temp": 5.0}, 1000 + 100 + 50 + 300),
        ({"temp": None}, 1000 + 100 - 10 + 300),
        ({"wind": 4}, 1000 + 100 + 20 + 400),
        ({"decision_at": "1999-01-01T00:00:00.123456789"}, 1420),
        ({"decision_at": None}, 1420),
        ({"unknown": [1]}, 1420),
    ],
)
def test_features_are_those_online_unless_the_request_brings_them(
    standing: tuple[ServingEndpointsAPI, str], change: dict[str, Any], expected: float
) -> None:
    assert ask(standing[0], **change) == pytest.approx(expected)


def test_what_is_published_again_is_used_at_once(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    create(endpoints)

    workspace.publish(temp=0.0, wind=0)

    assert ask(endpoints) == pytest.approx(1100.0)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("{", "BAD_REQUEST", "valid JSON"),
        (b"\xff", "BAD_REQUEST", "valid JSON"),
        ([], "BAD_REQUEST", "Received a list"),
        ({}, "BAD_REQUEST", "exactly one of the input fields"),
        ({"dataframe_records": [ROW], "inputs": COLUMNS}, "BAD_REQUEST", "exactly one of"),
        ({"dataframe_records": ROW}, "BAD_REQUEST", "must be a list of records"),
        ({"dataframe_split": [1]}, "BAD_REQUEST", "must be a dictionary"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "BAD_REQUEST", "had 2 columns"),
        (
            {"dataframe_split": {"columns": 5, "data": [[1]]}},
            "BAD_REQUEST",
            "not a valid dataframe",
        ),
        ({"dataframe_records": [ROW | {"distance": "far"}]}, "BAD_REQUEST", "column distance to"),
        ({"dataframe_records": [ROW | {"wind": None}]}, "BAD_REQUEST", "column wind to"),
        (
            {"dataframe_records": [ROW | {"decision_at": "noon"}]},
            "BAD_REQUEST",
            "column decision_at",
        ),
        (
            {"dataframe_records": [ROW | {"decision_at": "2013-11-01T10:00:00Z"}]},
            "INVALID_PARAMETER_VALUE",
            "timezone-naive",
        ),
        ({"dataframe_records": []}, "INVALID_PARAMETER_VALUE", "missing inputs ['origin'"),
        ({"dataframe_records": [1]}, "INVALID_PARAMETER_VALUE", "missing inputs ['origin'"),
        (
            {"dataframe_records": [{"origin": "EWR"}]},
            "INVALID_PARAMETER_VALUE",
            "missing inputs ['decision_at', 'distance']",
        ),
        ({"inputs": 5}, "INVALID_PARAMETER_VALUE", "missing inputs"),
        ({"messages": []}, "INVALID_PARAMETER_VALUE", "missing inputs"),
    ],
)
def test_a_request_that_cannot_be_scored_is_refused_in_mlflow_s_words(
    standing: tuple[ServingEndpointsAPI, str], body: Any, code: str, message: str
) -> None:
    text = body if isinstance(body, str | bytes) else json.dumps(body)

    status, answer = post(standing[1], text if isinstance(text, bytes) else text.encode())

    assert (status, answer["error_code"]) == (400, code)
    assert message in answer["message"]


def test_the_sdk_raises_its_own_error_for_a_bad_request(
    standing: tuple[ServingEndpointsAPI, str],
) -> None:
    with pytest.raises(BadRequest, match="exactly one of the input fields"):
        standing[0].query("delay", dataframe_records=[ROW], inputs=COLUMNS)


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "", "text/html"])
def test_another_content_type_is_refused(
    standing: tuple[ServingEndpointsAPI, str], content_type: str
) -> None:
    status, answer = post(standing[1], b"{}", content_type)

    assert status == 415
    assert "application/json" in answer["message"]


@pytest.mark.parametrize("option", [{"stream": True}, {"databricks_options": {"other": 1}}])
def test_answers_of_another_shape_are_not_built(
    standing: tuple[ServingEndpointsAPI, str], option: dict[str, Any]
) -> None:
    body = json.dumps({"dataframe_records": [ROW], **option})

    status, answer = post(standing[1], body.encode())

    assert (status, answer["error_code"]) == (501, "NOT_IMPLEMENTED")
    assert ("stream" if "stream" in option else "other") in answer["message"]
    with pytest.raises(NotBuilt, match="stream"):
        standing[0].query("delay", dataframe_records=[ROW], stream=True)


@pytest.mark.parametrize(("size", "status"), [(MOST_BYTES, 200), (MOST_BYTES + 1, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_has_at_most_16_mib(
    standing: tuple[ServingEndpointsAPI, str], size: int, status: int, chunked: bool
) -> None:
    body = json.dumps({"dataframe_records": [ROW]}).encode().ljust(size)
    connection = http.client.HTTPConnection(standing[1].removeprefix("http://"), timeout=30)
    connection.request(
        "POST",
        "/serving-endpoints/delay/invocations",
        iter([body]) if chunked else body,
        {"Content-Type": "application/json"},
        encode_chunked=chunked,
    )

    answer = connection.getresponse()

    assert answer.status == status
    assert b"predictions" in answer.read() or status == 413
    connection.close()
