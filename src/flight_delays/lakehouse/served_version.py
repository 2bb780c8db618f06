"""Questions to a served version, by its own name, whatever traffic it has."""

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

# A version that has stopped while no one asked takes minutes to start.
WARM_WITHIN = timedelta(minutes=20)
COLD_PAUSE = 5.0
COLD = (DeadlineExceeded, TemporarilyUnavailable, TooManyRequests, TimeoutError)
SERVED_BY = "served-model-name"
SHOWN = 200


@dataclass(frozen=True)
class ServedVersion:
    """A served entity that can be asked.

    Attributes:
        workspace: The workspace.
        endpoint: The endpoint's name.
        entity: The served entity's name.
        model_type: Its model type.
        model: Name of its registered model.
        number: Its version.
        wait: Waits for some seconds.
    """

    workspace: WorkspaceClient
    endpoint: str
    entity: str
    model_type: ModelType
    model: str
    number: int
    wait: Callable[[float], None] = sleep

    def ask(self, rows: pd.DataFrame, what: str) -> list[float]:
        """Have rows predicted.

        Args:
            rows: The model's inputs.
            what: What the rows are, for messages.

        Returns:
            A prediction a row.

        Raises:
            EndpointError: It does not answer, or not with a possible prediction a row.
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
        """Return the median of the seconds that requests of one row take.

        Raises:
            EndpointError: It does not answer, or not with a possible prediction.
        """
        return median(self._time(row) for _ in range(times))

    def probe(self, rows: pd.DataFrame) -> Iterator[tuple[float, float | None, str]]:
        """Ask for each row alone, whatever comes of it.

        Yields:
            The milliseconds it took, the answer, None where it is no possible prediction, and the
            error, blank where there was an answer.
        """
        for at in range(len(rows)):
            started, answer, fault = perf_counter(), None, ""
            try:
                answer = self.ask(rows.iloc[[at]], "one row")[0]
            except ImpossibleAnswerError:
                pass
            except EndpointError as error:
                fault = str(error)
            yield 1000 * (perf_counter() - started), answer, fault

    def _time(self, row: pd.DataFrame) -> float:
        started = perf_counter()
        self.ask(row, "one row")
        return perf_counter() - started

    def _request(self, records: list[dict[str, Any]], what: str) -> dict[str, Any]:
        # The SDK has no method that asks a served entity by its name.
        path = f"/serving-endpoints/{self.endpoint}/served-models/{self.entity}/invocations"
        # This id marks the requests in the endpoint's log, and names the version.
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
    """Return rows as an endpoint takes them: instants as text in UTC, what is missing as null."""
    columns = {name: rows[name] for name in rows.columns}
    for name, values in columns.items():
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            values = values.dt.tz_convert(UTC).dt.tz_localize(None)
        if pd.api.types.is_datetime64_dtype(values):
            # MLflow refuses an instant with a zone.
            values = values.map(pd.Timestamp.isoformat, na_action="ignore")
        columns[name] = values
    # Objects keep Python's numbers, which JSON has whole; pandas would write ten digits.
    plain = pd.DataFrame(columns).astype(object)
    records = plain.mask(plain.isna(), None).to_dict("records")
    return [{str(name): value for name, value in record.items()} for record in records]


def shorten(value: object) -> str:
    """Return a value as text that fits into a message."""
    text = " ".join(str(value).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
