import json
import urllib.error
import urllib.request
from typing import Any

import mlflow
import pandas as pd
import pytest
from databricks.sdk.errors import BadRequest
from databricks.sdk.service.serving import DataframeSplitInput, ServingEndpointsAPI
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from .conftest import ROW, Workspace, ask, config, create, entity, reader


def test_split_frames_are_scored_too(standing: tuple[ServingEndpointsAPI, str]) -> None:
    split = DataframeSplitInput(columns=list(ROW), data=[list(ROW.values())])

    assert standing[0].query("delay", dataframe_split=split).predictions == pytest.approx([1420.0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"origin": "LGA"}, 1000 + 100 - 10 - 100),
        ({"origin": None}, 1000 + 100 - 10 - 100),
        ({"temp": 5.0}, 1000 + 100 + 50 + 300),
        ({"temp": 5.0, "wind": None}, 1000 + 100 + 50 - 100),
        ({"decision_at": "1999-01-01T00:00:00"}, 1420),
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


def post(url: str, body: bytes) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(f"{url}/serving-endpoints/delay/invocations", body)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    answer: dict[str, Any] = json.loads(caught.value.read())
    status = caught.value.code
    caught.value.close()
    return status, answer


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "no JSON"),
        ([], "got: list"),
        ({}, "got: dict"),
        ({"inputs": [[1]]}, "dataframe_records and dataframe_split; got: inputs"),
        ({"instances": [ROW]}, "got: instances"),
        ({"dataframe_records": [ROW], "inputs": []}, "got: dataframe_records, inputs"),
        ({"dataframe_records": []}, "holds no rows"),
        ({"dataframe_records": ROW}, "must be a list of objects"),
        ({"dataframe_records": [1]}, "must be a list of objects"),
        ({"dataframe_records": [{"origin": "EWR"}]}, "['decision_at', 'distance']"),
        ({"dataframe_records": [ROW, {}]}, "lacks ['origin', 'decision_at', 'distance']"),
        ({"dataframe_records": [ROW | {"distance": "far"}]}, "distance must be double"),
        ({"dataframe_records": [ROW | {"distance": True}]}, "distance must be double"),
        ({"dataframe_records": [ROW | {"origin": 7}]}, "origin must be string"),
        ({"dataframe_records": [ROW | {"wind": 1.5}]}, "wind must be bigint"),
        ({"dataframe_records": [ROW | {"decision_at": "noon"}]}, "decision_at must be timestamp"),
        ({"dataframe_records": [ROW | {"decision_at": 5}]}, "decision_at must be timestamp"),
        ({"dataframe_split": [1]}, "must be an object with"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "must have 1 values"),
        ({"dataframe_split": {"columns": ["a"], "data": 5}}, "must be an object with"),
        ({"dataframe_split": {"columns": 5, "data": [[1]]}}, "must be an object with"),
    ],
)
def test_a_request_that_cannot_be_scored_is_a_bad_request(
    standing: tuple[ServingEndpointsAPI, str], body: Any, message: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)

    status, answer = post(standing[1], text.encode())

    assert (status, answer["error_code"]) == (400, "BAD_REQUEST")
    assert message in answer["message"]


def test_a_plain_model_is_served_without_lookups(endpoints: ServingEndpointsAPI) -> None:
    info = mlflow.sklearn.log_model(
        reader(0.0),
        name="plain",
        input_example=pd.DataFrame({"distance": [1.0], "temp": [1.0], "wind": [1.0]}),
        signature=ModelSignature(
            Schema([ColSpec("double", name) for name in ("distance", "temp", "wind")]),
            Schema([ColSpec("double")]),
        ),
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    version = mlflow.register_model(info.model_uri, "dev.shop.plain").version
    plain = entity(version, entity_name="dev.shop.plain")
    endpoints.create_and_wait("plain", config=config(plain))

    row = {"distance": 1.0, "temp": 1.0, "wind": 1.0}
    assert endpoints.query("plain", dataframe_records=[row]).predictions == pytest.approx([111.0])
    with pytest.raises(BadRequest, match="wind"):
        endpoints.query("plain", dataframe_records=[{"distance": 1.0, "temp": 1.0}])
