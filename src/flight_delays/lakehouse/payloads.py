"""Parsing of an endpoint's inference table into rows."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MODEL_SPAN = "custom_model"
_INTEGERS = {"TINYINT": 8, "SMALLINT": 16, "INT": 32, "BIGINT": 64}


@dataclass(frozen=True)
class Payload:
    """A row of the inference table.

    Attributes:
        request_time: Time of the request, UTC.
        status: HTTP status of the response.
        faults: Logging errors.
        share: Share of the requests that are logged.
    """

    request_id: str
    request_time: datetime
    status: int | None
    entity: str | None
    request: str | None
    response: str | None
    faults: Sequence[str] = ()
    share: float | None = 1.0


@dataclass(frozen=True)
class AskedRow:
    """One row of a request.

    Attributes:
        given: Columns of the request.
        features: The model's inputs, if the response has a trace.
    """

    given: Mapping[str, Any]
    features: Mapping[str, Any] | None
    score: float


class PayloadError(Exception):
    """A request cannot be parsed; the message is the reason in the table of rejected requests."""


def unpack(payload: Payload) -> list[AskedRow]:
    """Return the rows of a request, in order.

    Raises:
        PayloadError: The response is an error, or request and response are incomplete or do not
            match.
    """
    _refuse_faults(payload)
    if payload.status is None or payload.status != 200:
        raise PayloadError(f"status {payload.status}")
    if payload.share is not None and payload.share < 1:
        raise PayloadError(f"only a share of {payload.share} of the requests is logged")
    request, response = _parse("request", payload.request), _parse("response", payload.response)
    rows = _read_rows(request)
    scores = _read_scores(response)
    if len(scores) != len(rows):
        raise PayloadError(f"{len(scores)} predictions for {len(rows)} rows")
    known = [score for score in scores if score is not None]
    if len(known) < len(scores):
        raise PayloadError("a prediction is not a number")
    traced = _read_trace(response, len(rows))
    return [
        AskedRow(row, traced[at] if traced else None, score)
        for at, (row, score) in enumerate(zip(rows, known, strict=True))
    ]


def _parse(what: str, text: str | None) -> Mapping[str, Any]:
    if text is None:
        raise PayloadError(f"no {what}")
    try:
        parsed = json.loads(text)
    except ValueError:
        raise PayloadError(f"{what} is not JSON, or was cut off") from None
    if not isinstance(parsed, dict):
        raise PayloadError(f"{what} is not a JSON object")
    return parsed


def _read_rows(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the rows of a request in any input format of MLflow's scoring server."""
    if "dataframe_split" in request:
        split = request["dataframe_split"]
        try:
            columns = [str(name) for name in split["columns"]]
            rows: Any = [dict(zip(columns, values, strict=True)) for values in split["data"]]
        except (KeyError, TypeError, ValueError):
            raise PayloadError("dataframe_split does not fit together") from None
    else:
        form = next((f for f in ("dataframe_records", "instances", "inputs") if f in request), None)
        if form is None:
            raise PayloadError("request has no rows: unknown form")
        rows = request[form]
        if isinstance(rows, dict):
            columns = list(rows)
            values = [each if isinstance(each, list) else [each] for each in rows.values()]
            if len({len(each) for each in values}) != 1:
                raise PayloadError(f"columns of {form} have different lengths")
            rows = [dict(zip(columns, each, strict=True)) for each in zip(*values, strict=True)]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise PayloadError("request has no rows with named columns")
    return rows


def read_value(kind: str, given: Any) -> Any:
    """Return a value of a request in its Spark SQL type; None if it has another type."""
    if kind == "STRING":
        return _as_text(given)
    if kind in ("DOUBLE", "FLOAT"):
        return _as_number(given)
    if kind == "TIMESTAMP":
        return _as_instant(given)
    if kind in _INTEGERS:
        return _as_integer(given, _INTEGERS[kind])
    return _as_text(given) if isinstance(given, bool | str) else None


def read_answers(payload: Payload) -> list[float | None]:
    """Return the prediction for each row of a request, None if it is not a number.

    Raises:
        PayloadError: The response has no list of predictions, or was logged with errors.
    """
    _refuse_faults(payload)
    return _read_scores(_parse("response", payload.response))


def _refuse_faults(payload: Payload) -> None:
    if payload.faults:
        raise PayloadError(f"logged with faults: {', '.join(payload.faults)}")


def _read_scores(response: Mapping[str, Any]) -> list[float | None]:
    given = response.get("predictions")
    if not isinstance(given, list):
        raise PayloadError("response has no list of predictions")
    return [_read_score(each) for each in given]


def _read_score(given: Any) -> float | None:
    inner = list(given.values()) if isinstance(given, dict) else given
    if isinstance(inner, list):
        given = inner[0] if len(inner) == 1 else None
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    number = _as_number(given)
    return number if number is not None and math.isfinite(number) else None


def _read_trace(response: Mapping[str, Any], rows: int) -> list[Mapping[str, Any]] | None:
    """Return the model's inputs for each row; None without a complete trace."""
    output = response.get("databricks_output")
    trace = output.get("trace") if isinstance(output, dict) else None
    if not isinstance(trace, dict):
        return None
    data = trace.get("data")
    spans = (data if isinstance(data, dict) else trace).get("spans")
    for span in spans if isinstance(spans, list) else []:
        if isinstance(span, dict) and span.get("name") == MODEL_SPAN:
            seen = _read_inputs(span).get("model_input")
            if isinstance(seen, list) and len(seen) == rows:
                return seen if all(isinstance(each, dict) for each in seen) else None
    return None


def _read_inputs(span: Mapping[str, Any]) -> Mapping[str, Any]:
    attributes = span.get("attributes")
    inputs = span.get("inputs") or (
        attributes.get("mlflow.spanInputs") if isinstance(attributes, dict) else None
    )
    if isinstance(inputs, str):
        try:
            inputs = json.loads(inputs)
        except ValueError:
            return {}
    return inputs if isinstance(inputs, dict) else {}


def _as_instant(given: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(given)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (OverflowError, TypeError, ValueError):
        return None


def _as_integer(given: Any, bits: int) -> int | None:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        number = int(given)
        is_whole = isinstance(given, str) or number == given
    except (OverflowError, ValueError):
        return None
    return number if is_whole and -(1 << bits - 1) <= number < 1 << bits - 1 else None


def _as_text(value: Any) -> str | None:
    if value is None or value != value:
        return None
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON can name half a character.
        return None
    return text


def _as_number(value: Any) -> float | None:
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        return None
    return number if number == number else None
