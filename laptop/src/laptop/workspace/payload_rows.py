"""Rows and columns of payload tables."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..identity import SCIM_FIELDS
from .state import Document

if TYPE_CHECKING:
    import pyarrow as pa

ID = "databricks_request_id"
# Name, type and comment, in the order of Databricks.
COLUMNS = (
    (ID, "string", ""),
    ("request_date", "date", "The UTC date of the request."),
    ("client_request_id", "string", "Identifier that the client gave the request, if any."),
    ("request_time", "timestamp", "When the request was received."),
    ("status_code", "int", "HTTP status of the answer."),
    ("sampling_fraction", "double", "Fraction of the requests that is logged."),
    ("execution_duration_ms", "bigint", "Milliseconds that the model took."),
    ("request", "string", "The request's JSON body."),
    ("response", "string", "The answer's JSON body."),
    ("logging_error_codes", "array<string>", "Why a part of the payload is not logged."),
    ("served_entity_id", "string", "Identifier of the served entity that answered."),
    ("requester", "string", "Identifier of the user or service principal who asked."),
)
PROPERTIES = {
    "delta.enableChangeDataFeed": "true",
    "delta.enableDeletionVectors": "true",
    "delta.enableRowTracking": "true",
    "delta.checkpointPolicy": "v2",
}
MOST_LOGGED_BYTES = 1024 * 1024
REQUEST_TOO_LARGE, RESPONSE_TOO_LARGE = "MAX_REQUEST_SIZE_EXCEEDED", "MAX_RESPONSE_SIZE_EXCEEDED"
# Databricks may omit 401, 403, 429 and 500. Here these and all other server errors are always
# omitted, so that no code relies on them. Requests that do not fit the model (400) are logged.
_NOT_LOGGED = (401, 403, 429)


@dataclass(frozen=True)
class Payload:
    """One request and its answer.

    Attributes:
        request_id: Set by the workspace.
        client_request_id: Set by the client.
        at: Time of the request.
        status: HTTP status of the answer.
        milliseconds: Execution time of the model.
        request: Body of the request.
        response: Body of the answer.
        entity_id: The served entity that answered.
    """

    request_id: str
    client_request_id: str | None
    at: datetime
    status: int
    milliseconds: float
    request: bytes
    response: str
    entity_id: str

    @property
    def is_logged(self) -> bool:
        """Whether an answer of this status is logged."""
        return self.status < 500 and self.status not in _NOT_LOGGED

    def row(self) -> Document:
        """Return the row of the table, as JSON."""
        response = self.response.encode()
        too_large = {
            REQUEST_TOO_LARGE: len(self.request) > MOST_LOGGED_BYTES,
            RESPONSE_TOO_LARGE: len(response) > MOST_LOGGED_BYTES,
        }
        request = self.request.decode(errors="replace")
        return {
            ID: self.request_id,
            "client_request_id": self.client_request_id,
            "request_time": self.at.isoformat(),
            "status_code": self.status,
            "execution_duration_ms": round(self.milliseconds),
            "request": None if too_large[REQUEST_TOO_LARGE] else request,
            "response": None if too_large[RESPONSE_TOO_LARGE] else self.response,
            "logging_error_codes": [code for code, over in too_large.items() if over],
            "served_entity_id": self.entity_id,
        }


def entity_id(endpoint_id: str, entity: Document) -> str:
    """Return the stable identifier of a served entity's version, 32 hex digits."""
    facts = [endpoint_id, entity["name"], entity["entity_name"], entity["entity_version"]]
    return uuid.UUID(hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]).hex


def to_arrow(rows: list[Document]) -> "pa.Table":
    """Return rows with the columns and types of the table."""
    import pyarrow as pa

    types: dict[str, Any] = {
        "string": pa.string(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "int": pa.int32(),
        "double": pa.float64(),
        "bigint": pa.int64(),
        "array<string>": pa.list_(pa.string()),
    }
    schema = pa.schema([(name, types[kind]) for name, kind, _ in COLUMNS])
    whole = []
    for row in rows:
        at = datetime.fromisoformat(row["request_time"])
        fixed = {"sampling_fraction": 1.0, "requester": SCIM_FIELDS["id"]}
        whole.append({**row, **fixed, "request_time": at, "request_date": at.date()})
    return pa.Table.from_pylist(whole, schema)


def catalog_columns() -> list[Document]:
    """Return the columns of the table as the catalog shows them."""
    shown = []
    for position, (name, kind, comment) in enumerate(COLUMNS):
        spark: Any = {"int": "integer", "bigint": "long"}.get(kind, kind)
        if kind == "array<string>":
            spark = {"type": "array", "elementType": "string", "containsNull": True}
        type_json = {"name": name, "type": spark, "nullable": True, "metadata": {}}
        column: Document = {
            "name": name,
            "type_text": kind,
            "type_name": {"bigint": "LONG"}.get(kind, kind.partition("<")[0].upper()),
            "type_json": json.dumps(type_json, separators=(",", ":")),
            "position": position,
            "nullable": True,
        }
        shown.append(column | ({"comment": comment} if comment else {}))
    return shown
