"""Queries of a served version by its entity name, also without traffic."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from statistics import median
from time import monotonic, perf_counter, sleep
from typing import Any

import pandas as pd
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    DeadlineExceeded,
    TemporarilyUnavailable,
    TooManyRequests,
)
from databricks.sdk.errors.base import DatabricksError

from ..evaluation.model_types import ModelType
from .errors import EndpointError, ImpossibleAnswerError
from .payload_log import write_marker

# Starting after scale to zero takes minutes.
WARM_WITHIN = timedelta(minutes=20)
COLD_PAUSE = 5.0
COLD = (DeadlineExceeded, TemporarilyUnavailable, TooManyRequests, TimeoutError)
SERVED_BY = "served-model-name"
SHOWN = 200


@dataclass(frozen=True)
class ServedVersion:
    """A served entity."""

    workspace: WorkspaceClient
    endpoint: str
    entity: str
    model_type: ModelType
    model: str
    number: int
    wait: Callable[[float], None] = sleep

    def ask(self, rows: pd.DataFrame, what: str) -> list[float]:
        """Return a prediction a row; `what` names the rows in messages.

        Raises:
            EndpointError: It does not answer with one valid prediction for each row.
        """
        answer = self._request(as_records(rows), what)
        if answer.get(SERVED_BY) not in (None, self.entity):
            raise self._refuse(what, f"{answer[SERVED_BY]} answered")
        predictions = answer.get("predictions")
        sound = isinstance(predictions, list) and all(map(self.model_type.allows, predictions))
        if not isinstance(predictions, list) or not sound or len(predictions) != len(rows):
            raise self._refuse(
                what,
                f"it answered {shorten(predictions)} for {len(rows)} rows, where a number from "
                f"{self.model_type.lowest:g} to {self.model_type.highest:g} for each was expected",
                ImpossibleAnswerError,
            )
        return [float(prediction) for prediction in predictions]

    def measure(self, row: pd.DataFrame, times: int) -> float:
        """Return the median latency of requests of one row, in seconds.

        Raises:
            EndpointError: It does not answer with a valid prediction.
        """
        return median(self._time(row) for _ in range(times))

    def probe(self, rows: pd.DataFrame) -> Iterator[tuple[float, float | None, str]]:
        """Send one request for each row, without raising errors.

        Ends early after a row for which the version was not ready in time: each further row could
        wait as long, while the version has traffic.

        Yields:
            Latency in milliseconds, prediction, None if it is invalid, and error, empty if there
            was a response.
        """
        for at in range(len(rows)):
            started, answer, fault = perf_counter(), None, ""
            try:
                answer = self.ask(rows.iloc[[at]], "one row")[0]
            except ImpossibleAnswerError:
                pass
            except EndpointError as error:
                fault = str(error)
            taken = perf_counter() - started
            yield 1000 * taken, answer, fault
            if taken > WARM_WITHIN.total_seconds():
                return

    def _time(self, row: pd.DataFrame) -> float:
        started = perf_counter()
        self.ask(row, "one row")
        return perf_counter() - started

    def _request(self, records: list[dict[str, Any]], what: str) -> dict[str, Any]:
        # The SDK has no method for querying a served entity by name.
        path = f"/serving-endpoints/{self.endpoint}/served-models/{self.entity}/invocations"
        # This id marks the requests in the inference table, and names the version.
        body = {
            "client_request_id": write_marker(self.model, self.number),
            "dataframe_records": records,
        }
        started = monotonic()
        while True:
            try:
                answer = self.workspace.api_client.do(
                    "POST",
                    path,
                    headers={"Accept": "application/json", "Content-Type": "application/json"},
                    body=body,
                    response_headers=[SERVED_BY],
                )
            except COLD as error:
                if monotonic() - started > WARM_WITHIN.total_seconds():
                    why = f"it was not ready after {WARM_WITHIN}: {error}"
                    raise self._refuse(what, why) from error
                self.wait(COLD_PAUSE)
            except DatabricksError as error:
                raise self._refuse(what, f"it failed with: {shorten(error)}") from error
            else:
                return answer if isinstance(answer, dict) else {"predictions": answer}

    def _refuse(
        self, what: str, why: str, kind: type[EndpointError] = EndpointError
    ) -> EndpointError:
        return kind(
            f"{self.entity} of endpoint {self.endpoint} was asked for {what}: {why}. Its logs may "
            "tell more: `databricks serving-endpoints logs`."
        )


def as_records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON records: instants as UTC text, missing values as null."""
    columns = {name: rows[name] for name in rows.columns}
    for name, values in columns.items():
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            values = values.dt.tz_convert(UTC).dt.tz_localize(None)
        if pd.api.types.is_datetime64_dtype(values):
            # MLflow refuses timestamps with a time zone.
            values = values.map(pd.Timestamp.isoformat, na_action="ignore")
        columns[name] = values
    # Python's floats keep full precision in JSON; pandas would write ten digits.
    plain = pd.DataFrame(columns).astype(object)
    records = plain.mask(plain.isna(), None).to_dict("records")
    return [{str(name): value for name, value in record.items()} for record in records]


def shorten(value: object) -> str:
    """Return a value as short text for a message."""
    text = " ".join(str(value).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
