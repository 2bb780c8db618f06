"""Traces of feature look-ups, in MLflow's format.

The Databricks client traces two spans: the whole prediction and, inside it, the plain model with
all its inputs. As in every MLflow trace, inputs are a JSON string, with NaN for missing numbers
and text for timestamps.
"""

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .state import Document

if TYPE_CHECKING:
    import pandas as pd

VARIABLE = "ENABLE_FEATURE_TRACING"
WHOLE, MODEL = "databricks_feature_store", "custom_model"
_LONGEST_PREVIEW = 1000


def is_traced(entity: Document) -> bool:
    """Return whether the look-ups of a served entity are traced.

    The client traces unless the variable is "false", but MLflow records no trace if it is unset.
    """
    value = (entity.get("environment_vars") or {}).get(VARIABLE)
    return value is not None and value != "false"


@dataclass
class FeatureTrace:
    """The trace of one request.

    Attributes:
        request_id: The request's identifier.
        endpoint: Name of the endpoint.
        at: Time of the request.
        spans: The spans, parents first; empty if nothing was looked up.
    """

    request_id: str
    endpoint: str
    at: datetime
    spans: list["Span"] = field(default_factory=list)
    _trace_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def record(
        self,
        frame: "pd.DataFrame",
        params: Mapping[str, Any] | None,
        inputs: "pd.DataFrame",
        answer: Any,
        times: tuple[int, int, int],
    ) -> None:
        """Trace a prediction.

        Args:
            frame: Rows of the request.
            params: Parameters of the model.
            inputs: Inputs of the plain model.
            answer: Its predictions.
            times: Start of the look-ups, start and end of the model, in nanoseconds.
        """
        start, began, end = times
        # Databricks logs a printed DataFrame, which takes longer to format than the prediction.
        rows = str(frame.to_dict(orient="records"))
        asked = {"df": rows, "params": params, "output_metrics": None}
        whole = {
            "mlflow.spanFunctionName": "_predict",
            "mlflow.spanInputs": asked,
            "mlflow.spanOutputs": str(answer),
        }
        records = inputs.to_dict(orient="records")
        part = {"mlflow.spanInputs": {"model_input": records}}
        root = Span(WHOLE, start, end, whole)
        self.spans = [root, Span(MODEL, began, end, part, parent=root.span_id)]

    def to_dict(self) -> Document:
        """Return the trace as a dict for `mlflow.entities.Trace.from_dict`."""
        root = self.spans[0]
        spans = [span.to_dict(self._trace_id, root.start, self._start) for span in self.spans]
        attributes = spans[0]["attributes"]
        metadata = {
            "mlflow.trace_schema.version": "3",
            "mlflow.databricks.modelServingEndpointName": self.endpoint,
        }
        info = {
            "trace_id": f"tr-{self._trace_id.hex()}",
            "client_request_id": self.request_id,
            "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {}},
            "request_time": f"{self.at.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z",
            "state": "OK",
            "trace_metadata": metadata,
            "request_preview": shorten(attributes["mlflow.spanInputs"]),
            "response_preview": shorten(attributes["mlflow.spanOutputs"]),
            "execution_duration_ms": (root.end - root.start) // 1_000_000,
        }
        return {"info": info, "data": {"spans": spans}}

    @property
    def _start(self) -> int:
        return int(self.at.timestamp() * 1_000_000) * 1000


@dataclass(frozen=True)
class Span:
    """A part of a trace.

    Attributes:
        name: Its name.
        start: Start, in nanoseconds of a monotonic clock.
        end: End, on the same clock.
        facts: Attributes, written as JSON.
        parent: Identifier of the parent span, if any.
        span_id: Identifier of the span.
    """

    name: str
    start: int
    end: int
    facts: Document
    parent: bytes | None = None
    span_id: bytes = field(default_factory=lambda: secrets.token_bytes(8))

    def to_dict(self, trace_id: bytes, first: int, at: int) -> Document:
        """Return the span in MLflow's format.

        Args:
            trace_id: Identifier of the trace.
            first: Start of the trace, on the spans' clock.
            at: Start of the trace, in nanoseconds since the epoch.
        """
        attributes = {
            "mlflow.traceRequestId": f"tr-{trace_id.hex()}",
            "mlflow.spanType": "RETRIEVER",
            **self.facts,
            "mlflow.spanLogLevel": 20,
        }
        return {
            "trace_id": base64.b64encode(trace_id).decode(),
            "span_id": base64.b64encode(self.span_id).decode(),
            "parent_span_id": self.parent and base64.b64encode(self.parent).decode(),
            "name": self.name,
            "start_time_unix_nano": at + self.start - first,
            "end_time_unix_nano": at + self.end - first,
            "events": [],
            "status": {"code": "STATUS_CODE_OK", "message": ""},
            "attributes": {
                name: json.dumps(value, default=str, ensure_ascii=False)
                for name, value in attributes.items()
            },
            "links": [],
        }


def shorten(text: str) -> str:
    """Return the preview of a text."""
    long = len(text) > _LONGEST_PREVIEW
    return f"{text[: _LONGEST_PREVIEW - 3]}..." if long else text


_current: ContextVar[FeatureTrace | None] = ContextVar("feature_trace", default=None)


@contextmanager
def recording(trace: FeatureTrace | None) -> Iterator[None]:
    """Record look-ups in a trace within the context; None records nothing."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


def current_trace() -> FeatureTrace | None:
    """Return the current trace, if any."""
    return _current.get()
