"""Load generator for serving endpoints."""

import http.client
import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from rich.console import Console
from rich.markup import escape

from .connection import Connection
from .errors import LaptopError
from .sql_output import as_json
from .state_dir import StateDir
from .status import UNITY, grid, run_sql
from .status import quote as quoted

Document = dict[str, Any]
MOST_ROWS = 1000
ANSWER_SECONDS = 120.0
NOBODY = "(none)"
ADVICE = "Give rows by --rows FILE.json or --table CATALOG.SCHEMA.TABLE."


@dataclass(frozen=True)
class Answered:
    """Result of one request: served entity, status (0 without a response), latency, body."""

    entity: str
    status: int
    milliseconds: float
    text: str

    @property
    def is_good(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Traffic:
    """All results in request order, and the total duration in seconds."""

    answered: Sequence[Answered]
    seconds: float

    @property
    def bad(self) -> list[Answered]:
        """The results without a 2xx status."""
        return [each for each in self.answered if not each.is_good]

    def figures(self) -> Document:
        """Return statistics by served entity, as `laptop traffic -o json` prints them."""
        groups: dict[str, list[Answered]] = {}
        for each in sorted(self.answered, key=lambda each: each.entity):
            groups.setdefault(each.entity, []).append(each)
        return {
            **self._measure(self.answered),
            "seconds": self.seconds,
            "rate": len(self.answered) / self.seconds,
            "served_entities": {name: self._measure(own) for name, own in groups.items()},
        }

    def _measure(self, answered: Sequence[Answered]) -> Document:
        times = sorted(each.milliseconds for each in answered)
        return {
            "requests": len(answered),
            "share": len(answered) / len(self.answered),
            "non_2xx": sum(not each.is_good for each in answered),
            "p50_ms": times[math.ceil(0.5 * len(times)) - 1],
            "p95_ms": times[math.ceil(0.95 * len(times)) - 1],
        }


def send(
    there: Connection,
    endpoint: str,
    bodies: Sequence[bytes],
    requests: int,
    rate: float,
    workers: int,
) -> Traffic:
    """Send requests to an endpoint at a fixed rate, and wait for the responses.

    Args:
        there: The workspace.
        endpoint: The endpoint's name.
        bodies: Request bodies, used in turn.
        requests: Number of requests.
        rate: Requests per second.
        workers: Maximum number of concurrent requests.
    """
    path = f"/serving-endpoints/{quote(endpoint, safe='')}/invocations"
    headers = {"Authorization": f"Bearer {there.token}", "Content-Type": "application/json"}
    began = time.monotonic()

    def ask(number: int) -> Answered:
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        sent = time.monotonic()
        # No connection reuse: the workspace may close an idle connection at the same moment.
        connection = http.client.HTTPConnection("127.0.0.1", there.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", path, bodies[number % len(bodies)], headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            entity, status = answer.getheader("served-model-name") or NOBODY, answer.status
        except (OSError, http.client.HTTPException) as error:
            entity, status, text = NOBODY, 0, str(error)
        finally:
            connection.close()
        return Answered(entity, status, 1000 * (time.monotonic() - sent), text)

    with ThreadPoolExecutor(max_workers=workers) as pool:
        answered = list(pool.map(ask, range(requests)))
    return Traffic(answered, time.monotonic() - began)


def read_bodies(
    there: Connection, state_dir: StateDir, endpoint: str, rows: Path | None, table: str | None
) -> list[bytes]:
    """Return request bodies of one row each, from a file, a table or the model's input example.

    Raises:
        LaptopError: There are no rows.
    """
    shown = there.ask("GET", f"/api/2.0/serving-endpoints/{quote(endpoint, safe='')}")
    entities = (shown.get("config") or {}).get("served_entities")
    if not entities:
        raise LaptopError(f"Endpoint '{endpoint}' serves nothing yet. Wait for its update.")
    if rows:
        found = read_file(rows)
    else:
        folder = find_artifacts(there, state_dir, entities[0])
        if table is None:
            return [read_example(folder)]
        found = read_table(there, table, folder)
    if not found:
        raise LaptopError(f"There are no rows in {rows or table}.")
    return [json.dumps({"dataframe_records": [row]}).encode() for row in found]


def read_file(file: Path) -> list[Document]:
    """Return the rows of a JSON file: a list of them, or a request body with records."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LaptopError(f"{file} cannot be read as JSON: {error}.") from None
    records = found.get("dataframe_records") if isinstance(found, dict) else found
    if not isinstance(records, list) or not all(isinstance(row, dict) for row in records):
        raise LaptopError(
            f"{file} must have a list of rows, each an object, or an object with such a list as "
            "dataframe_records."
        )
    return records


def read_table(there: Connection, table: str, folder: Path) -> list[Document]:
    """Return a table's rows with the model's input columns; features are looked up.

    Missing columns are filled from the model's input example.
    """
    declared = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    inputs = json.loads(declared["signature"]["inputs"])
    needed = [str(column.get("name")) for column in inputs if column["required"]]
    example = json.loads(read_example(folder)).get("inputs") if has_example(folder) else None
    example = example if isinstance(example, dict) else {}
    answer = run_sql(there, f"SELECT * FROM {quoted(table)} LIMIT {MOST_ROWS}")
    columns = {c["name"]: c["type_text"] for c in answer["manifest"]["schema"]["columns"]}
    lacking = [name for name in needed if name not in {*columns, *example}]
    if lacking:
        raise LaptopError(
            f"Table {table} lacks {', '.join(lacking)}, which the model needs and its example has "
            "no value for. Give rows by --rows FILE.json."
        )
    # Timestamps of a request have no time zone: they are UTC.
    zoned = {name for name, kind in columns.items() if kind.startswith("timestamp")}
    rows = [{name: row.get(name, example.get(name)) for name in needed} for row in as_json(answer)]
    return [
        {name: str(v).removesuffix("Z") if name in zoned and v else v for name, v in row.items()}
        for row in rows
    ]


def find_artifacts(there: Connection, state_dir: StateDir, entity: Document) -> Path:
    """Return the folder of a served entity's model."""
    name, version = entity["entity_name"], entity["entity_version"]
    source = there.ask("GET", f"{UNITY}/models/{quote(name)}/versions/{version}")["source"]
    identifier = str(source).removeprefix("models:/")
    for file in state_dir.artifacts.glob(f"*/models/{identifier}/artifacts/MLmodel"):
        return file.parent
    raise LaptopError(f"The files of version {version} of {name} are not found. {ADVICE}")


def has_example(folder: Path) -> bool:
    """Return whether a model has an input example."""
    return (folder / "serving_input_example.json").is_file()


def read_example(folder: Path) -> bytes:
    """Return a model's input example as a request body."""
    if not has_example(folder):
        raise LaptopError(f"The served model has no example of its input. {ADVICE}")
    return (folder / "serving_input_example.json").read_bytes()


def print_traffic(console: Console, found: Document) -> None:
    """Print statistics by served entity."""
    table = grid("served entity", "requests", "share", "non-2xx", "p50", "p95")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, each in {**found["served_entities"], "all": found}.items():
        times = [f"{each[key]:.0f} ms" for key in ("p50_ms", "p95_ms")]
        counts = f"{each['requests']:,}", f"{each['share']:.1%}", f"{each['non_2xx']:,}"
        table.add_row(escape(name), *counts, *times)
    console.print(table)
    console.print(f"{found['rate']:.1f} requests a second for {found['seconds']:.1f} s.")


def explain(bad: Sequence[Answered]) -> str:
    """Return a message with the number of non-2xx responses by status and the first body."""
    kinds = Counter(each.status for each in bad)
    counted = ", ".join(f"{n} of {status or 'no answer'}" for status, n in sorted(kinds.items()))
    return f"{len(bad)} requests were not answered 2xx ({counted}). The first: {bad[0].text[:300]}"
