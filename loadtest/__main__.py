"""`python -m loadtest`: query an endpoint with more and more clients, and recommend a size."""

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors.base import DatabricksError

from flight_delays.config.serving import LoadLimits, load_serving
from flight_delays.lakehouse.endpoint import endpoint_name

from .sweep import (
    MOST_CLIENTS,
    MOST_SECONDS,
    REPORTS,
    Level,
    LoadTestError,
    Target,
    choose_level,
    name_size,
    read_concurrency,
    read_rows,
    recommend_concurrency,
    require_ready,
)
from delivery.commands import PROJECT, DeliveryError, open_workspace, read_bundle
from delivery.results import write_results

MOST_LEVELS = 12
MOST_ROWS = 1000
WARM_UP_SECONDS = 10
TABLE = "{:>8} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}"


def main() -> None:
    """Run a load test from the command line; an error is one message and exit code 1."""
    chosen = read_arguments()
    try:
        run(find_target(chosen.target, chosen.endpoint), chosen.clients, chosen.seconds, chosen.rps)
    except (LoadTestError, DeliveryError, DatabricksError) as error:
        sys.exit(f"loadtest: {error}")


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="loadtest", description=__doc__)
    parser.add_argument("--target", help="a deployed target; without it, the environment's")
    parser.add_argument("--endpoint", help="its name, where the workspace has several")
    parser.add_argument("--clients", type=whole(MOST_CLIENTS), nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--seconds", type=whole(MOST_SECONDS), default=20, help="of each level")
    parser.add_argument("--rps", type=whole(100_000), help="requests a second to find a size for")
    chosen = parser.parse_args(arguments)
    if len(chosen.clients) > MOST_LEVELS:
        parser.error(f"--clients has {len(chosen.clients)} numbers, at most {MOST_LEVELS} go.")
    return chosen


def whole(most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from 1 to `most`."""

    def read(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 to {most}")
        return int(text)

    return read


def find_target(target: str | None, endpoint: str | None) -> Target:
    """Return the endpoint to test, with rows for its requests.

    Without `target`, it is in the environment's workspace; without `endpoint`, it is the target's,
    or the only one.

    Raises:
        LoadTestError: There is no endpoint, there are several, or there are no rows.
    """
    if target:
        summary = read_bundle("summary", target=target)
        workspace = open_workspace(summary)
        models = summary["resources"]["registered_models"].values()
        endpoint = endpoint or endpoint_name(next(model["id"] for model in models))
    else:
        workspace = WorkspaceClient()
    name = endpoint or find_only(workspace)
    found = workspace.serving_endpoints.get(name)
    require_ready(found)
    entities = (found.config.served_entities if found.config else None) or []
    for each in entities:
        print(f"Endpoint {name} serves version {each.entity_version} of {each.entity_name}.")
        if each.scale_to_zero_enabled:
            print("It may scale to zero: its size changes with the load, and so do figures.")
    if str(workspace.config.host).startswith("http://127.0.0.1"):
        print("On the laptop both share its cores: the figures do not apply to a workspace.")
    schema = str(entities[0].entity_name).rpartition(".")[0]
    rows = read_rows(workspace, schema, MOST_ROWS)
    if not rows:
        raise LoadTestError(f"There are no rows in {schema}. Run feature_refresh first.")
    return Target(workspace, name, schema, read_concurrency(found), rows)


def find_only(workspace: WorkspaceClient) -> str:
    """Return the name of the only endpoint."""
    names = sorted(str(each.name) for each in workspace.serving_endpoints.list())
    if not names:
        raise LoadTestError("There is no endpoint. Run model_training first, or `make demo`.")
    if len(names) > 1:
        raise LoadTestError(f"There are {len(names)} endpoints. Name one: ENDPOINT={names[0]}")
    return names[0]


def run(target: Target, clients: Sequence[int], seconds: int, rps: int | None) -> None:
    """Warm up, measure, print a line for each level, and recommend a size."""
    target.wake()
    print(f"Warm-up: {max(clients)} clients for {WARM_UP_SECONDS} s.", flush=True)
    target.measure(max(clients), WARM_UP_SECONDS)
    print(TABLE.format("clients", "requests", "RPS", "p50 ms", "p95 ms", "p99 ms", "errors"))
    levels = []
    for level in target.sweep(clients, seconds):
        levels.append(level)
        figures = (f"{each:.0f}" for each in (level.p50_ms, level.p95_ms, level.p99_ms))
        counts = f"{level.requests:,}", f"{level.rps:.1f}"
        print(TABLE.format(level.clients, *counts, *figures, f"{level.errors:.2%}"), flush=True)
    for level in levels:
        if level.client_is_busy:
            print(f"Worthless at {level.clients} clients: Locust needed all of its core.")
        for error in level.said:
            print(f"At {level.clients} clients: {error}")
    print(f"Written: {write_csv(levels)}, and pages of Locust beside it.")
    limits = load_serving().load_test
    results = [each for level in levels for each in level.as_results(seconds, limits)]
    run_name = f"load-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    try:
        table = write_results(target.workspace, target.schema, run_name, results)
        print(f"Run {run_name} in {table}.")
    except (DeliveryError, DatabricksError) as error:
        # Querying the endpoint does not require permission to write to the table.
        print(f"Not written to the table of test results: {error}")
    print(recommend(levels, target.concurrency, limits, rps))


def write_csv(levels: Sequence[Level]) -> str:
    """Write a line for each level, and return the path."""
    names = [field.name for field in fields(Level) if field.name != "said"]
    file = REPORTS / "loadtest.csv"
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.DictWriter(text, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(asdict(level) for level in levels)
    return file.relative_to(PROJECT).as_posix()


def recommend(
    levels: Sequence[Level], concurrency: int, limits: LoadLimits | None, rps: int | None
) -> str:
    """Return a message with the recommended size for a rate, and the level it is based on."""
    best = choose_level([each for each in levels if not each.client_is_busy], limits)
    if best is None:
        return "No size is recommended: no level kept the limits of conf/serving.yml."
    known = f"{best.clients} clients had {best.rps:.1f} requests a second within the limits"
    if rps is None:
        return f"{known}. RPS=100 recommends a size for 100."
    needed = recommend_concurrency(best, concurrency, rps)
    formula = f"{concurrency} * ceil({rps} / {best.rps:.1f})"
    return f"{known}: {rps} need a concurrency of {formula} = {needed}, {name_size(needed)}."


if __name__ == "__main__":
    main()
