import json
from collections.abc import Iterator
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from databricks.sdk.service.serving import ServingEndpointsAPI
from mlflow.models import ModelSignature
from mlflow.pyfunc.model import PythonModel
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array

from .conftest import Workspace, config, entity, post, quietly

NUMBER = Schema([ColSpec("double")])
ROW = {"a": 1.0, "b": 2}


class Sums(PythonModel):
    """Adds up each row, times the parameter `factor`."""

    def __init__(self, form: str = "plain") -> None:
        self.form = form

    # MLflow would take annotations for a signature.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        if isinstance(model_input, pd.DataFrame):
            model_input = model_input.to_numpy().tolist()
        elif isinstance(model_input, dict):
            model_input = model_input["x"]
        values = np.asarray(model_input, dtype=float)
        if (values < -1000).any():
            raise ZeroDivisionError("nothing is so small")
        sums = values.reshape(len(values), -1).sum(axis=1) * (params or {}).get("factor", 1.0)
        answers = {"plain": sums, "nothing": object(), "rows": pd.DataFrame({"sum": sums})}
        return answers[self.form]


def columns(*kinds: Any) -> Schema:
    return Schema([ColSpec(kind, name) for kind, name in zip(kinds, "abc", strict=False)])


def tensor(*shape: int, name: str | None = None) -> Schema:
    return Schema([TensorSpec(np.dtype("float64"), shape, name)])


MODELS = {
    "columns": (Sums(), ModelSignature(columns("double", "long"), NUMBER)),
    "rows": (
        Sums("rows"),
        ModelSignature(columns("double", "long"), Schema([ColSpec("double", "sum")])),
    ),
    "tensor": (Sums(), ModelSignature(tensor(-1, 2, 2), tensor(-1))),
    "named-tensor": (Sums(), ModelSignature(tensor(-1, 2, name="x"), tensor(-1))),
    "unnamed": (Sums(), ModelSignature(Schema([ColSpec("double"), ColSpec("double")]), NUMBER)),
    "parameters": (
        Sums(),
        ModelSignature(
            columns("double", "long"), NUMBER, ParamSchema([ParamSpec("factor", "double", 1.0)])
        ),
    ),
    "nothing": (Sums("nothing"), ModelSignature(columns("double", "long"), NUMBER)),
    "lists": (Sums(), ModelSignature(columns(Array(DataType.double)), NUMBER)),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServingEndpointsAPI, str]]:
    """Yield an endpoint for each of the models."""
    workspace = Workspace(tmp_path_factory.mktemp("formats"))
    with workspace.up() as endpoints:
        for name, (model, signature) in MODELS.items():
            with quietly():
                info = mlflow.pyfunc.log_model(
                    name=name, python_model=model, signature=signature, pip_requirements=["mlflow"]
                )
                version = mlflow.register_model(info.model_uri, f"dev.shop.{name}").version
            wanted = config(entity(version, entity_name=f"dev.shop.{name}", name="one"))
            endpoints.create_and_wait(name, config=wanted)
        yield endpoints, workspace.url


ANSWERED = [
    ("columns", {"dataframe_records": [ROW, ROW]}, [3, 3]),
    ("columns", {"dataframe_split": {"columns": ["b", "a"], "data": [[2, 1], [5, 3]]}}, [3, 8]),
    ("columns", {"instances": [ROW, ROW]}, [3, 3]),
    ("columns", {"inputs": {"a": [1, 2], "b": [3, 4]}}, [4, 6]),
    ("columns", {"inputs": [ROW]}, [3]),
    ("columns", {"inputs": ROW}, [3]),
    ("rows", {"dataframe_records": [ROW]}, [{"sum": 3}]),
    ("tensor", {"inputs": [[[1, 2], [3, 4]], [[0, 0], [0, 1]]]}, [10, 1]),
    ("tensor", {"instances": [[[1, 2], [3, 4]]]}, [10]),
    ("named-tensor", {"inputs": {"x": [[1, 2], [3, 4]]}}, [3, 7]),
    ("unnamed", {"dataframe_split": {"data": [[1, 2], [3, 4]]}}, [3, 7]),
    ("parameters", {"dataframe_records": [ROW]}, [3]),
    ("parameters", {"dataframe_records": [ROW], "params": {"factor": 2.0}}, [6]),
    ("lists", {"dataframe_records": [{"a": [1.5, 2.5, 2.0]}]}, [6]),
]
REFUSED = [
    ("columns", {"dataframe_records": [{"a": 1.0}]}, "missing inputs ['b']"),
    ("columns", {"dataframe_split": {"columns": ["a"], "data": [[1]]}}, "missing inputs ['b']"),
    ("columns", {"inputs": {"a": [1, 2]}}, "missing inputs ['b']"),
    ("columns", {"inputs": [[1, 2]]}, "missing inputs"),
    ("columns", {"dataframe_records": [ROW | {"b": "two"}]}, "column b to type 'int64'"),
    ("tensor", {"inputs": [[1, 2], [3, 4]]}, "Shape of input (2, 2) does not match"),
    ("tensor", {"inputs": [[["one", 2], [3, 4]]]}, "could not convert string to float"),
    ("named-tensor", {"inputs": {"y": [[1, 2]]}}, "missing inputs ['x']"),
    ("parameters", {"dataframe_records": [ROW], "params": {"factor": "two"}}, "factor"),
    ("lists", {"dataframe_records": [{"a": ["one"]}]}, "column a to type"),
]


@pytest.mark.parametrize(("name", "body", "expected"), ANSWERED)
def test_each_kind_of_signature_is_answered(
    served: tuple[ServingEndpointsAPI, str], name: str, body: dict[str, Any], expected: list[Any]
) -> None:
    status, answer = post(served[1], json.dumps(body).encode(), path=f"{name}/invocations")

    assert (status, answer) == (200, {"predictions": expected})


@pytest.mark.parametrize(("name", "body", "message"), REFUSED)
def test_what_does_not_fit_the_signature_is_refused(
    served: tuple[ServingEndpointsAPI, str], name: str, body: dict[str, Any], message: str
) -> None:
    status, answer = post(served[1], json.dumps(body).encode(), path=f"{name}/invocations")

    assert status == 400
    assert message in answer["message"]


def test_a_frame_may_come_as_csv(served: tuple[ServingEndpointsAPI, str]) -> None:
    answer = post(served[1], b"a,b\n1,2\n3,4\n", "text/csv; charset=utf-8", "columns/invocations")

    assert answer == (200, {"predictions": [3, 7]})


def test_a_model_that_raises_is_a_bad_request_with_its_trace_in_the_logs(
    served: tuple[ServingEndpointsAPI, str],
) -> None:
    body = json.dumps({"dataframe_records": [{"a": -2000.0, "b": 1}]}).encode()

    status, answer = post(served[1], body, path="columns/invocations")

    assert (status, answer["error_code"]) == (400, "BAD_REQUEST")
    assert "ZeroDivisionError: nothing is so small" in answer["stack_trace"]
    assert "ZeroDivisionError" in served[0].logs("columns", "one").logs
    assert "ZeroDivisionError" not in served[0].logs("parameters", "one").logs


def test_predictions_that_are_no_json_are_the_server_s_error(
    served: tuple[ServingEndpointsAPI, str],
) -> None:
    body = json.dumps({"dataframe_records": [ROW]}).encode()

    status, answer = post(served[1], body, path="nothing/invocations")

    assert (status, answer["error_code"]) == (500, "INTERNAL_ERROR")
    assert "not JSON serializable" in answer["message"]
