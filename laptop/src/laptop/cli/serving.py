"""Commands that send requests, or run a server until interrupted."""

import json
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from .. import mlflow_ui
from ..errors import LaptopError
from ..postgres import open_postgres
from .app import Format, Output, Place, app, console, problems, reporting, warn
from .opening import running_or_started

LEAST_OF_RATE = 0.8


@app.command()
def traffic(
    endpoint: Annotated[str, typer.Option(help="Name of the serving endpoint.")],
    rate: Annotated[float, typer.Option(min=0.01, help="Requests a second.")] = 20,
    seconds: Annotated[float, typer.Option(min=0.01, help="For how long.")] = 10,
    rows: Annotated[Path | None, typer.Option(help="JSON file with a list of rows.")] = None,
    table: Annotated[str | None, typer.Option(help="Table with the rows.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 8,
    allow_errors: Annotated[
        bool, typer.Option("--allow-errors", help="Exit status 0 whatever is answered.")
    ] = False,
    output: Format = Output.text,
) -> None:
    """Send requests to an endpoint at a rate: rows of a file, a table, or the model's example."""
    with reporting():
        there = running_or_started()
        from ..traffic import explain, print_traffic, read_bodies, send

        if rows and table:
            raise LaptopError("--rows and --table exclude each other: give one.")
        bodies = read_bodies(there, Place.state_dir(), endpoint, rows, table)
        sent = send(there, endpoint, bodies, max(1, round(rate * seconds)), rate, workers)
        found = sent.figures()
        if output is Output.json:
            print(json.dumps(found, indent=2))
        else:
            print_traffic(console, found)
        if found["rate"] < LEAST_OF_RATE * rate:
            warn(f"{found['rate']:.1f} requests a second were sent, not {rate:g}. Add --workers.")
        if sent.bad:
            problems.print(escape(explain(sent.bad)), soft_wrap=True)
        if sent.bad and not allow_errors:
            raise typer.Exit(1)


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port of the page.")] = 5000) -> None:
    """Show MLflow's own pages over the same runs and models."""
    with reporting():
        state_dir = Place.state_dir()
        if not state_dir.mlflow_db.exists():
            raise LaptopError("There is nothing to show yet. Next: laptop run JOB")
        free = mlflow_ui.find_port(port)
        if free != port:
            console.print(f"Port {port} is taken.")
        page = mlflow_ui.prepare_pages(state_dir)
        console.print(f"MLflow on http://127.0.0.1:{free}/{page} (Ctrl-C ends it)", soft_wrap=True)
        sys.stdout.flush()
        mlflow_ui.replace_process(state_dir, free)


@app.command()
def kafka() -> None:
    """Serve a Kafka broker for tests and demonstrations, until it is interrupted."""
    from ..kafka.broker import LIMITS, start_broker

    with reporting():
        broker, address = start_broker()
        print(f"bootstrap.servers {address}", flush=True)
        problems.print(f"{LIMITS} (Ctrl-C ends it)", soft_wrap=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            signal.pause()
        del broker


@app.command()
def postgres() -> None:
    """Run a PostgreSQL of the workspace's own, for connections by JDBC."""
    with reporting():
        state_dir = Place.state_dir()
        state_dir.create()
        with open_postgres(state_dir.path / "postgres") as url:
            console.print(f"{url} (Ctrl-C ends it)", soft_wrap=True)
            sys.stdout.flush()
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
