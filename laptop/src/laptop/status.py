"""The state of a workspace: tables, models, endpoints and the last runs."""

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .connection import Connection
from .errors import LaptopError

Document = dict[str, Any]
UNITY = "/api/2.1/unity-catalog"
LAST_RUNS = 10
COLOURS = {
    **dict.fromkeys(("SUCCESS", "PASSED", "READY", "promote"), "green"),
    **dict.fromkeys(("FAILED", "TIMEDOUT", "INTERNAL_ERROR", "NOT_READY", "reject"), "red"),
    **dict.fromkeys(("PENDING", "RUNNING", "CANCELED", "UPSTREAM_FAILED", "keep"), "yellow"),
}
STATEMENT = 600.0


def read_status(connection: Connection) -> Document:
    """Return the contents of the workspace.

    Returns:
        `tables`, `models`, `endpoints` and `runs`, as `laptop status -o json` prints them.
    """
    return {
        "tables": read_tables(connection),
        "models": read_models(connection),
        "endpoints": read_endpoints(connection),
        "runs": read_runs(connection),
    }


def read_tables(connection: Connection) -> list[Document]:
    """Return every table with its number of rows."""
    names = [
        table["full_name"]
        for catalog in connection.ask("GET", f"{UNITY}/catalogs")["catalogs"]
        for schema in connection.ask("GET", f"{UNITY}/schemas?catalog_name={catalog['name']}")[
            "schemas"
        ]
        for table in connection.ask(
            "GET", f"{UNITY}/tables?catalog_name={catalog['name']}&schema_name={schema['name']}"
        )["tables"]
    ]
    if not names:
        return []
    counts = " UNION ALL ".join(f"SELECT '{n}', count(*) FROM {quote(n)}" for n in names)
    found = {
        name: int(count) for name, count in run_sql(connection, counts)["result"]["data_array"]
    }
    return [{"name": name, "rows": found[name]} for name in sorted(names)]


def read_models(connection: Connection) -> list[Document]:
    """Return every registered model with its versions, the newest first."""
    models = connection.ask("GET", f"{UNITY}/models")["registered_models"]
    return [
        {
            "name": model["full_name"],
            "versions": [
                {
                    "version": version["version"],
                    "aliases": [alias["alias_name"] for alias in version["aliases"]],
                    "tags": version["tags"],
                    "run_id": version.get("run_id") or "",
                    "created_at": version["created_at"],
                }
                for version in connection.ask(
                    "GET", f"{UNITY}/models/{model['full_name']}/versions"
                )["model_versions"]
            ],
        }
        for model in models
    ]


def find_version(models: list[Document], name: str | None, version: int | None) -> Document:
    """Return a version with its model's name; by default the newest.

    Raises:
        LaptopError: The version does not exist; the message lists the existing ones.
    """
    found = [
        {**each, "name": model["name"]}
        for model in models
        for each in model["versions"]
        if name in (None, model["name"], model["name"].rpartition(".")[2])
        and version in (None, int(each["version"]))
    ]
    if not found:
        there = [f"{m['name']} {v['version']}" for m in models for v in m["versions"]]
        raise LaptopError(
            f"There is no version {version or ''} of {name or 'a model'}. There are: "
            f"{', '.join(there) or 'none; run a job that trains'}."
        )
    return max(found, key=lambda each: int(each["created_at"]))


def read_endpoints(connection: Connection) -> list[Document]:
    """Return every serving endpoint with its served entities."""
    endpoints = connection.ask("GET", "/api/2.0/serving-endpoints").get("endpoints") or []
    found = []
    for endpoint in endpoints:
        config = endpoint.get("config") or {}
        traffic = {
            route["served_model_name"]: route["traffic_percentage"]
            for route in (config.get("traffic_config") or {}).get("routes") or []
        }
        found.append(
            {
                "name": endpoint["name"],
                "state": endpoint["state"]["ready"],
                "served": [
                    {
                        "entity_name": entity["entity_name"],
                        "entity_version": entity["entity_version"],
                        "traffic_percentage": traffic.get(entity["name"], 0),
                    }
                    for entity in config.get("served_entities") or []
                ],
            }
        )
    return found


def read_runs(connection: Connection) -> list[Document]:
    """Return the last runs, the newest first."""
    runs = connection.ask("GET", f"/api/2.2/jobs/runs/list?expand_tasks=true&limit={LAST_RUNS}")[
        "runs"
    ]
    return [
        {
            "job": run["run_name"],
            "run_id": run["run_id"],
            "state": word(run["state"]),
            "start_time": run["start_time"],
            "end_time": run.get("end_time"),
            # Only the last attempt of each task.
            "tasks": [
                {"task": key, "state": word(task["state"]), "values": task["values"]}
                for key, task in {task["task_key"]: task for task in run["tasks"]}.items()
            ],
        }
        for run in runs
    ]


def run_sql(connection: Connection, statement: str, **place: str) -> Document:
    """Run a statement and return its response; `place` may set its catalog and schema."""
    body = {"statement": statement, "warehouse_id": "laptop", **place}
    answer: Document = connection.ask("POST", "/api/2.0/sql/statements", body, timeout=STATEMENT)
    if answer["status"]["state"] != "SUCCEEDED":
        raise LaptopError(answer["status"]["error"]["message"])
    return answer


def print_status(console: Console, found: Document) -> None:
    """Print the status as tables."""
    tables = grid("table", "rows")
    for each in found["tables"]:
        tables.add_row(each["name"], f"{each['rows']:,}")
    models = grid("model", "version", "aliases", "validation", "loss", "decision", "made")
    for model in found["models"]:
        for version in model["versions"]:
            tags = version["tags"]
            models.add_row(
                model["name"],
                str(version["version"]),
                ", ".join(version["aliases"]),
                coloured(tags.get("model_validation_status", "")),
                escape(shorten_figure(tags.get("validation_loss", ""))),
                coloured(tags.get("decision", "")),
                moment(version["created_at"]),
            )
    endpoints = grid("endpoint", "state", "serves")
    for endpoint in found["endpoints"]:
        served = [
            f"version {s['entity_version']}: {s['traffic_percentage']} %"
            for s in endpoint["served"]
        ]
        endpoints.add_row(endpoint["name"], coloured(endpoint["state"]), "\n".join(served))
    runs = grid("run", "job", "state", "started", "time", "tasks")
    for run in found["runs"]:
        tasks = ", ".join(f"{task['task']} {coloured(task['state'])}" for task in run["tasks"])
        start, end = run["start_time"], run["end_time"]
        took = f"{(end - start) / 1000:.0f} s" if end else ""
        job = escape(run["job"])
        runs.add_row(str(run["run_id"]), job, coloured(run["state"]), moment(start), took, tasks)
    for table in (tables, models, endpoints, runs):
        if table.row_count:
            console.print(table)
            console.print()
    if not any(found.values()):
        console.print("Nothing here yet. Run `laptop run JOB`.")


def grid(*titles: str) -> Table:
    """Return an empty table."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in titles:
        table.add_column(title, justify="right" if title in ("rows", "version", "time") else "left")
    return table


def coloured(state: str) -> str:
    """Return a state, a verdict or a decision in its colour."""
    colour = COLOURS.get(state)
    return f"[{colour}]{escape(state)}[/]" if colour else escape(state)


def moment(epoch_ms: int) -> str:
    """Format a time in the local time zone, to the minute."""
    return f"{datetime.fromtimestamp(epoch_ms / 1000):%Y-%m-%d %H:%M}"


def shorten_figure(text: str) -> str:
    """Return a name and a metric with four digits."""
    name, _, figure = text.rpartition(" ")
    try:
        return f"{name} {float(figure):.4g}".strip()
    except ValueError:
        return text


def word(state: Document) -> str:
    """Return a state in one word."""
    return str(state.get("result_state") or state["life_cycle_state"])


def quote(full_name: str) -> str:
    """Quote a table name for SQL."""
    return ".".join(f"`{part}`" for part in full_name.split("."))
