"""Scoring of a served model version with MLflow's scoring server."""

import json
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import mlflow
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import PyFuncModel
from mlflow.pyfunc.scoring_server import CONTENT_TYPE_JSON, invocations

from ..features.errors import FeatureError
from ..features.functions import Function
from ..features.models import FeatureModel, load_model
from ..features.online import OnlineStore
from ..features.spec import MODEL_DATA, SPEC_FILE, FunctionColumn, Lookup
from .errors import ApiError
from .feature_tracing import FeatureTrace, current_trace, recording
from .state import Document

CLIENT_REQUEST_ID = "client_request_id"
OPTIONS, STREAM, RETURN_TRACE = "databricks_options", "stream", "return_trace"
FindFunction: TypeAlias = Callable[[str], Document | None]


class ServedModel:
    """A loaded model version.

    Args:
        model: The model, loaded by MLflow.
    """

    def __init__(self, model: PyFuncModel) -> None:
        # The registry requires a signature.
        self.signature: ModelSignature = model.metadata.signature
        self._model = model

    def answer(self, asked: "Asked", trace: FeatureTrace | None = None) -> str:
        """Return the JSON response to a request.

        Args:
            asked: The request.
            trace: Trace to record feature look-ups in; None for no trace.

        Raises:
            MlflowException: The request does not fit the model, or the model fails on it.
            ApiError: 415 for another content type, 501 for an unsupported option.
        """
        asked.require_built()
        with recording(trace):
            answer = invocations(  # type: ignore[no-untyped-call]
                asked.data, asked.content_type, self._model, self.signature.inputs
            )
        if answer.status != 200:
            raise ApiError(answer.status, "BAD_REQUEST", answer.response)
        return str(answer.response)


@dataclass(frozen=True)
class Asked:
    """A request to an endpoint.

    Attributes:
        content_type: The Content-Type header.
        data: The model's input: a JSON object without the options for the endpoint, or any other
            body unchanged.
        client_request_id: Identifier set by the client.
        options: Options for the endpoint.
    """

    content_type: str
    data: dict[str, Any] | bytes
    client_request_id: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def require_built(self) -> None:
        """Reject unsupported response options."""
        options = self.options.get(OPTIONS)
        given = list(options) if isinstance(options, dict) else [OPTIONS] if options else []
        asked = [name for name in given if name != RETURN_TRACE]
        if self.options.get(STREAM):
            asked.append(STREAM)
        if asked:
            text = f"The laptop answers whole, traced or not: {', '.join(asked)} is not built."
            raise ApiError(501, "NOT_IMPLEMENTED", text)

    @property
    def returns_trace(self) -> bool:
        """Whether the response includes the trace."""
        options = self.options.get(OPTIONS)
        return isinstance(options, dict) and bool(options.get(RETURN_TRACE))


def parse(body: bytes, content_type: str) -> Asked:
    """Parse a request; a JSON body that is not an object is left to MLflow, which explains why.

    Unknown keys next to the rows remain: MLflow's scoring server ignores them.
    """
    if content_type.partition(";")[0].strip() != CONTENT_TYPE_JSON:
        return Asked(content_type, body)
    try:
        data = json.loads(body)
    except ValueError:
        return Asked(content_type, body)
    if not isinstance(data, dict):
        return Asked(content_type, body)
    identifier = data.pop(CLIENT_REQUEST_ID, None)
    options = {name: data.pop(name, None) for name in (OPTIONS, STREAM)}
    return Asked(content_type, data, None if identifier is None else str(identifier), options)


def load(name: str, version: str, store: OnlineStore, functions: FindFunction) -> ServedModel:
    """Load a registered version into memory.

    Args:
        name: Registered model, `catalog.schema.model`.
        version: Its version's number.
        store: Online store of the model's features.
        functions: Returns the catalog's document of a function.

    Raises:
        FeatureError: A feature table is not published online, or a function does not exist.
        MlflowException: The version does not exist, or its artifact cannot be read.
    """
    uri = f"models:/{name}/{version}"
    folder = Path(mlflow.artifacts.download_artifacts(uri))
    if (folder / MODEL_DATA / SPEC_FILE).is_file():
        impl = FeatureLookup(load_model(folder), store, functions)
        return ServedModel(PyFuncModel(Model.load(str(folder)), impl))
    return ServedModel(mlflow.pyfunc.load_model(str(folder)))


def _load_function(
    column: FunctionColumn, functions: FindFunction
) -> tuple[Callable[..., Any], list[str]]:
    """Return a function and its input columns, in the order of its parameters."""
    info = functions(column.udf_name)
    if info is None:
        raise FeatureError(
            f"Function {column.udf_name}, which computes {column.name}, does not exist. Make it "
            "with CREATE FUNCTION."
        )
    function, bound = Function.read(info), dict(column.input_bindings)
    if set(bound) != set(function.parameters):
        raise FeatureError(
            f"Function {function.name} has the parameters {list(function.parameters)} now, and "
            f"{column.name} binds {list(bound)}. Log the model again."
        )
    return function.load(), [bound[name] for name in function.parameters]


class FeatureLookup:
    """Pyfunc model that looks up features before it predicts, as the Databricks client does.

    Every feature is looked up. A feature column in the request then overrides it in all rows,
    including nulls. The plain model gets the dtypes that pandas infers: object with None for a
    column without values, float for integers with gaps.

    Functions are read from the catalog when the model is loaded, and called row by row. Their
    inputs are None for features not found, and NaN or NaT for nulls of the request. Their results
    are not converted, and override request columns of the same name.

    Args:
        model: The model and the specification of its features.
        store: Online store of the features.
        functions: Returns the catalog's document of a function.

    Raises:
        FeatureError: A feature table is not published online, or a function does not exist.
    """

    def __init__(self, model: FeatureModel, store: OnlineStore, functions: FindFunction) -> None:
        self._model = model
        self._store = store
        self._steps = model.spec.steps()
        self._tables = {
            step: store.find(step.table_name, [name for name, _ in step.features])
            for step in self._steps
            if isinstance(step, Lookup)
        }
        self._functions = {
            step: _load_function(step, functions)
            for step in self._steps
            if isinstance(step, FunctionColumn)
        }
        self._defaults = {
            feature.name: feature.default
            for feature in model.spec.features
            if feature.default is not None
        }

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> Any:
        """Return predictions for rows that MLflow has validated against the signature."""
        started = time.monotonic_ns()
        rows = frame.to_dict(orient="records")
        for step in self._steps:
            if isinstance(step, FunctionColumn):
                call, columns = self._functions[step]
                for row in rows:
                    row[step.name] = call(*[row[column] for column in columns])
                continue
            found = self._find(step, rows)
            rows = [{**features, **row} for features, row in zip(found, rows, strict=True)]
        inputs = pd.DataFrame(rows, columns=self._model.spec.model_columns)
        began = time.monotonic_ns()
        given = None if params is None else dict(params)
        answer = self._model.raw.predict(inputs, params=given)
        trace = current_trace()
        if trace is not None:
            trace.record(frame, params, inputs, answer, (started, began, time.monotonic_ns()))
        return answer

    def _find(self, lookup: Lookup, rows: list[dict[Hashable, Any]]) -> list[dict[Hashable, Any]]:
        keys = [[row[key] for key in lookup.lookup_key] for row in rows]
        names = [name for name, _ in lookup.features]
        found = self._store.lookup(self._tables[lookup], keys, names)
        return [
            {
                output: self._defaults.get(output) if row[name] is None else row[name]
                for name, output in lookup.features
            }
            for row in found
        ]
