"""The OpenAPI description of an endpoint, from the signatures of the models it serves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, Map, Object

from .state import Document

_SCALARS: Mapping[DataType, Document] = {
    DataType.boolean: {"type": "boolean"},
    DataType.integer: {"type": "integer", "format": "int32"},
    DataType.long: {"type": "integer", "format": "int64"},
    DataType.float: {"type": "number", "format": "float"},
    DataType.double: {"type": "number", "format": "double"},
    DataType.string: {"type": "string"},
    DataType.binary: {"type": "string", "format": "byte"},
    DataType.datetime: {"type": "string", "format": "date-time"},
}
_TENSORS = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "U": "string"}


def describe(endpoint: str, address: str, signatures: Mapping[str, ModelSignature]) -> Document:
    """Return an endpoint's OpenAPI document.

    Args:
        endpoint: Its name.
        address: Of the workspace, `http://127.0.0.1:<port>`.
        signatures: Of the models, by name of the served entity.
    """
    root = f"/serving-endpoints/{endpoint}"
    requests = {name: {"$ref": f"#/components/schemas/{name}-request"} for name in signatures}
    answers = {name: {"$ref": f"#/components/schemas/{name}-response"} for name in signatures}
    paths = {
        f"{root}/invocations": operation(
            {"anyOf": list(requests.values())}, {"anyOf": list(answers.values())}
        )
    }
    schemas: Document = {}
    for name, signature in signatures.items():
        path = f"{root}/served-models/{name}/invocations"
        paths[path] = operation(requests[name], answers[name])
        schemas[f"{name}-request"] = request_schema(signature)
        schemas[f"{name}-response"] = response_schema(signature.outputs)
    return {
        "openapi": "3.1.0",
        "info": {"title": endpoint, "version": "1"},
        "servers": [{"url": address}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def operation(request: Document, answer: Document) -> Document:
    """Return a path that is posted to."""
    return {
        "post": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
            "responses": {
                "200": {
                    "description": "Predictions",
                    "content": {"application/json": {"schema": answer}},
                },
                "400": {"description": "A request that does not fit, or that the model fails on"},
            },
        }
    }


def request_schema(signature: ModelSignature) -> Document:
    """Return what a request may hold: one of the formats, and parameters where there are some."""
    formats = input_formats(signature.inputs)
    shared: Document = {"client_request_id": {"type": "string"}}
    if signature.params is not None:
        shared["params"] = params_schema(signature.params)
    return {
        "type": "object",
        "properties": formats | shared,
        "oneOf": [{"required": [name]} for name in formats],
    }


def input_formats(schema: Schema) -> dict[str, Document]:
    """Return the schema of each format that fits a model's inputs."""
    if schema.is_tensor_spec() and not schema.has_input_names():
        (tensor,) = schema.inputs
        return {name: value_schema(tensor) for name in ("inputs", "instances")}
    if not schema.has_input_names():
        row = {"type": "array", "items": {}, "minItems": len(schema.inputs)}
        return {"dataframe_split": split_schema(row)}
    required = required_columns(schema)
    rows = list_of(record_schema(schema))
    whole = {str(spec.name): whole_column(spec) for spec in schema.inputs}
    inputs = {"type": "object", "properties": whole, "required": required}
    if schema.is_tensor_spec():
        return {"inputs": inputs}
    return {
        "dataframe_records": rows,
        "dataframe_split": split_schema({"type": "array"}, required),
        "instances": rows,
        "inputs": {"anyOf": [inputs, rows]},
    }


def required_columns(schema: Schema) -> list[str]:
    """Return the names of the columns that no row may lack."""
    return [str(spec.name) for spec in schema.inputs if spec.required]


def record_schema(schema: Schema) -> Document:
    """Return the schema of a row as an object."""
    properties = {str(spec.name): value_schema(spec) for spec in schema.inputs}
    return {"type": "object", "properties": properties, "required": required_columns(schema)}


def whole_column(spec: ColSpec | TensorSpec) -> Document:
    """Return the schema of all values of a column, one of which may stand alone."""
    one = value_schema(spec)
    return one if isinstance(spec, TensorSpec) else {"anyOf": [one, list_of(one)]}


def split_schema(row: Document, columns: Sequence[str] = ()) -> Document:
    """Return the schema of a frame whose columns' names stand apart from its rows."""
    names: Document = {"type": "array"}
    if columns:
        names["allOf"] = [{"contains": {"const": name}} for name in columns]
    return {
        "type": "object",
        "properties": {"columns": names, "index": {"type": "array"}, "data": list_of(row)},
        "required": ["columns", "data"] if columns else ["data"],
        "additionalProperties": False,
    }


def response_schema(schema: Schema) -> Document:
    """Return the schema of an answer."""
    predictions: Document = {}
    if len(schema.inputs) > 1:
        predictions = list_of(record_schema(schema))
    elif schema.inputs:
        (spec,) = schema.inputs
        one = value_schema(spec)
        predictions = one if isinstance(spec, TensorSpec) else list_of(one)
        if spec.name:
            # A model may give a column's values, or rows of it.
            predictions = {"anyOf": [predictions, list_of(record_schema(schema))]}
    properties = {"predictions": predictions}
    return {"type": "object", "properties": properties, "required": ["predictions"]}


def params_schema(schema: ParamSchema) -> Document:
    """Return the schema of a model's parameters, with their defaults."""

    def one(param: ParamSpec) -> Document:
        scalar = type_schema(param.dtype)
        return {**(list_of(scalar) if param.shape else scalar), "default": param.default}

    return {"type": "object", "properties": {param.name: one(param) for param in schema.params}}


def value_schema(spec: ColSpec | TensorSpec) -> Document:
    """Return the schema of one value of a column, or of a whole tensor."""
    if isinstance(spec, ColSpec):
        return type_schema(spec.type)
    kind = _TENSORS.get(np.dtype(spec.type).kind)
    nested: Document = {"type": kind} if kind else {}
    for size in reversed(spec.shape):
        bounds = {} if size < 0 else {"minItems": int(size), "maxItems": int(size)}
        nested = {**list_of(nested), **bounds}
    return nested


def type_schema(kind: Any) -> Document:
    """Return the schema of an MLflow type; whatever it does not name is not bound."""
    if isinstance(kind, DataType):
        return dict(_SCALARS[kind])
    if isinstance(kind, Array):
        return list_of(type_schema(kind.dtype))
    if isinstance(kind, Map):
        return {"type": "object", "additionalProperties": type_schema(kind.value_type)}
    if isinstance(kind, Object):
        return {
            "type": "object",
            "properties": {each.name: type_schema(each.dtype) for each in kind.properties},
            "required": [each.name for each in kind.properties if each.required],
        }
    return {}


def list_of(items: Document) -> Document:
    """Return the schema of a list."""
    return {"type": "array", "items": items}
