"""Scoring of one served model version, by MLflow's own scoring server."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow as pa
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import PyFuncModel
from mlflow.pyfunc.scoring_server import CONTENT_TYPE_JSON, invocations

from ..features.joins import augment
from ..features.models import FeatureModel, load_model
from ..features.online import OnlineStore
from ..features.spec import MODEL_DATA, SPEC_FILE, Lookup
from ..features.types import arrow_type
from .errors import ApiError

# Asks for an answer in another shape than the one there is.
_UNBUILT = ("databricks_options", "stream")


class ServedModel:
    """A model version held in memory.

    Args:
        model: What MLflow has loaded.
    """

    def __init__(self, model: PyFuncModel) -> None:
        # The registry takes no model without one.
        self.signature: ModelSignature = model.metadata.signature
        self._model = model

    def answer(self, body: bytes, content_type: str) -> str:
        """Return the JSON that answers a request.

        Args:
            body: In one of the formats of MLflow's scoring server.
            content_type: Header of the request.

        Raises:
            MlflowException: The request does not fit the model, or the model fails on it.
            ApiError: 415 for another content type, 501 for an option that is not built.
        """
        is_json = content_type.partition(";")[0].strip() == CONTENT_TYPE_JSON
        request = decode(body) if is_json else body
        answer = invocations(request, content_type, self._model, self.signature.inputs)  # type: ignore[no-untyped-call]
        if answer.status != 200:
            raise ApiError(answer.status, "BAD_REQUEST", answer.response)
        return str(answer.response)


def decode(body: bytes) -> dict[str, Any] | bytes:
    """Return the object a body holds; what is none goes to MLflow as it came, which says why.

    Raises:
        ApiError: 501, for an option that is not built.
    """
    try:
        payload = json.loads(body)
    except ValueError:
        return body
    if not isinstance(payload, dict):
        return body
    if asked := [name for name in _UNBUILT if payload.get(name)]:
        text = f"The laptop answers whole and untraced: {', '.join(asked)} is not built."
        raise ApiError(501, "NOT_IMPLEMENTED", text)
    return payload


def load(name: str, version: str, store: OnlineStore) -> ServedModel:
    """Load a registered version into memory.

    Args:
        name: Registered model, `catalog.schema.model`.
        version: Its version's number.
        store: Where the model's features are looked up.

    Raises:
        FeatureError: A feature table is not published online.
        MlflowException: There is no such version, or its artifact cannot be read.
    """
    uri = f"models:/{name}/{version}"
    folder = Path(mlflow.artifacts.download_artifacts(uri))
    if (folder / MODEL_DATA / SPEC_FILE).is_file():
        impl = FeatureLookup(load_model(folder), store)
        return ServedModel(PyFuncModel(Model.load(str(folder)), impl))
    return ServedModel(mlflow.pyfunc.load_model(str(folder)))


class FeatureLookup:
    """What stands between MLflow and a model with features: looks up those a request lacks.

    Args:
        model: The model and the specification of its features.
        store: Where they are published.

    Raises:
        FeatureError: A feature table is not published online.
    """

    def __init__(self, model: FeatureModel, store: OnlineStore) -> None:
        self._model = model
        self._store = store
        self._names = {
            lookup: [name for name, _ in lookup.features] for lookup in model.spec.lookups()
        }
        self._tables = {
            lookup: store.find(lookup.table_name, names) for lookup, names in self._names.items()
        }

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> Any:
        """Return predictions for rows that MLflow has held against the signature."""
        columns = {
            column.name: column_of(frame[column.name], column.data_type)
            for column in self._model.spec.columns
            if column.name in frame
        }
        rows = augment(pa.table(columns), self._model.spec, self._find)
        return self._model.predict(rows, params)

    def _find(self, lookup: Lookup, spine: pa.Table) -> pa.Table:
        columns = (spine.column(key).to_pylist() for key in lookup.lookup_key)
        keys = list(zip(*columns, strict=True))
        found = self._store.lookup(self._tables[lookup], keys, self._names[lookup])
        return found.rename_columns([output for _, output in lookup.features])


def column_of(values: "pd.Series[Any]", kind: str) -> pa.Array:
    """Return values as Arrow has them; a time is taken for UTC, and to the microsecond."""
    array = pa.Array.from_pandas(values)
    return array.cast(arrow_type(kind), safe=kind != "timestamp")
