"""The command line of the laptop workspace."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape

from . import connection, mlflow_ui, progress
from .bundle import Bundle, BundleError, Identity, find_root, list_targets, resolve
from .deployment import UNITY, catalogs_of, deploy_job, resolve_names
from .errors import LaptopError, WorkspaceNotRunning
from .identity import SCIM_FIELDS, SHORT_NAME, USER_NAME, WAREHOUSE, WAREHOUSE_NAME
from .jobs.task_environment import TaskEnvironment
from .pages import list_links, pages_of_version
from .postgres import open_postgres
from .sql_output import as_json, print_rows
from .state_dir import StateDir, file_lock
from .status import find_version, print_status, read_models, read_status, run_sql
from .summary import headline, summarize

app = typer.Typer(
    help="A Databricks workspace on one machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# A log file or a pipe has no width of its own, and 80 columns would fold every name.
WIDTH = None if sys.stdout.isatty() else 140
console = Console(highlight=False, width=WIDTH)
problems = Console(stderr=True, highlight=False, width=WIDTH)
AWAKE_SECONDS = 60
LEAST_OF_RATE = 0.8


class Output(StrEnum):
    """How a command shows what it found."""

    text = "text"
    json = "json"


Format = Annotated[Output, typer.Option("--output", "-o", help="text or json.")]


class Place:
    """Where the bundle is; set once by the options before the command."""

    directory = Path()

    @classmethod
    def root(cls) -> Path:
        """Return the folder of the nearest databricks.yml."""
        return find_root(cls.directory)

    @classmethod
    def state_dir(cls) -> StateDir:
        """Return the state folder."""
        return StateDir.beside(cls.root())


def print_version(asked: bool) -> None:
    """Print the version and leave."""
    if asked:
        print(f"laptop {metadata.version('laptop')}")
        raise typer.Exit


@app.callback()
def locate(
    directory: Annotated[
        Path, typer.Option("-C", help="Look for databricks.yml from this folder upwards.")
    ] = Path(),
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Set where to look for the bundle."""
    Place.directory = directory


@contextmanager
def reporting() -> Iterator[None]:
    """Turn what a person can act on into one message and exit status 1."""
    try:
        yield
    except (LaptopError, BundleError) as error:
        problems.print(f"[red]Error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from None


@app.command()
def run(
    job: Annotated[str, typer.Argument(help="Key of a job under resources.jobs.")],
    target: Annotated[str | None, typer.Option("-t", "--target", help="Bundle target.")] = None,
    params: Annotated[
        list[str] | None, typer.Option(help="Job parameters: key=value, with commas between.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Run these tasks alone: key, with commas between.")
    ] = None,
    var: Annotated[list[str] | None, typer.Option(help="Bundle variables: key=value.")] = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(help="After --: job parameters, --key=value.")
    ] = None,
    brief: Annotated[bool, typer.Option("--brief", help="A line for each task alone.")] = False,
) -> None:
    """Run a job of the bundle and follow it to its end."""
    with reporting():
        root = Place.root()
        given = {**read_pairs("--params", params), **read_arguments(arguments)}
        keys = split("--only", only)
        bundle = resolve_target(root, target, read_pairs("--var", var))
        for warning in bundle.warnings:
            warn(warning.brief)
        state_dir = Place.state_dir()
        there = open_workspace(state_dir, [bundle])
        if not brief and any(artifact.get("build") for artifact in bundle.artifacts.values()):
            problems.print("[dim]Building the wheel…[/]")
        # Two at once would make the job twice, and take away each other's wheel.
        with file_lock(state_dir.path / "deploy.lock"):
            deployed = deploy_job(bundle, job, there, state_dir, keys)
        body = {
            "job_id": deployed.job_id,
            "job_parameters": given,
            "only": keys,
        }
        run_id = there.ask("POST", "/api/2.2/jobs/run-now", body)["run_id"]
        name = deployed.settings["name"]
        console.print(f"Run {run_id} of [bold]{escape(name)}[/], target {bundle.target}.")

        def get_run(number: int) -> dict[str, Any]:
            answer: dict[str, Any] = there.ask("GET", f"/api/2.2/jobs/runs/get?run_id={number}")
            return answer

        try:
            ended = progress.follow(console, get_run, run_id, brief=brief)
        except KeyboardInterrupt:
            there.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": run_id})
            problems.print(f"Run {run_id} canceled.")
            raise typer.Exit(130) from None
        summarize(console, ended, state_dir.artifacts, brief=brief)
        said = escape(headline(ended))
        if ended.run["state"].get("result_state") not in ("SUCCESS", "SUCCESS_WITH_FAILURES"):
            problems.print(f"\n[red]Run {run_id} did not succeed. {said}[/]", soft_wrap=True)
            raise typer.Exit(1)
        says = escape(ended.run["state"].get("state_message", "")) or f"Run {run_id} succeeded."
        if not brief:
            console.print(f"\n{says} Next: [bold]laptop status[/], [bold]laptop ui[/]")


@app.command()
def up() -> None:
    """Start the workspace in the background; print how a client reaches it."""
    with reporting():
        root = Place.root()
        there = open_workspace(Place.state_dir(), resolve_all(root))
        print(f"export DATABRICKS_HOST={there.address}")
        print(f"export DATABRICKS_TOKEN={there.token}")


@app.command(name="exec", context_settings={"ignore_unknown_options": True})
def execute(command: Annotated[list[str], typer.Argument(help="What to run, after --.")]) -> None:
    """Run a command with what a task has: `spark`, `dbutils`, MLflow, the workspace's API."""
    with reporting():
        state_dir = Place.state_dir()
        bundles = resolve_all(Place.root())
        there = open_workspace(state_dir, bundles)
        environment = TaskEnvironment(state_dir.path, there.address, there.token, there.spark)
        declared = {
            f"{schema.get('catalog_name')}.{schema.get('name')}".lower()
            for bundle in bundles
            for schema in bundle.schemas.values()
        }
        if shutil.which(command[0]) is None:
            raise LaptopError(f"There is no command '{command[0]}' on the PATH.")
    # A command comes without a deployment, and takes what the bundle declares for deployed.
    variables = {**environment.variables(), "LAPTOP_SCHEMAS": " ".join(sorted(declared))}
    running = subprocess.Popen(command, env=variables)
    # Ctrl-C is for the command, which may ask before it leaves.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: running.terminate())
    while True:
        try:
            raise typer.Exit(running.wait(AWAKE_SECONDS))
        except subprocess.TimeoutExpired:
            # A workspace that is not asked anything for long leaves.
            connection.find(state_dir)


@app.command()
def down() -> None:
    """Stop the workspace; what it holds stays."""
    with reporting():
        stopped = connection.stop(Place.state_dir())
        problems.print("Stopped." if stopped else "No workspace is up.")


@app.command()
def status(output: Format = Output.text) -> None:
    """Show tables, models, endpoints and runs."""
    with reporting():
        found = read_status(running_or_started())
        if output is Output.json:
            print(json.dumps(found, indent=2))
        else:
            print_status(console, found)


@app.command()
def sql(statement: str, output: Format = Output.text) -> None:
    """Run one SQL statement; names are those of the default target's catalog and schema."""
    with reporting():
        there = running_or_started()
        answer = run_sql(there, statement, **find_default_schema(there))
        total = count_rows(there, statement) if answer["manifest"]["truncated"] else ""
        if output is Output.text:
            print_rows(console, answer, total)
            return
        print(json.dumps(as_json(answer), indent=2))
        if total:
            first = answer["manifest"]["total_row_count"]
            problems.print(f"The first {first:,} rows of {total}.")


@app.command()
def report(
    version: Annotated[int | None, typer.Argument(help="Default: the newest.")] = None,
    model: Annotated[str | None, typer.Option(help="Default: the only, or the newest.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open them in a browser.")] = False,
) -> None:
    """Print links to the pages of a model version."""
    with reporting():
        found = find_version(read_models(running_or_started()), model, version)
        pages = pages_of_version(Place.state_dir().artifacts, found["run_id"], found["tags"])
        console.print(f"Version {found['version']} of [bold]{escape(found['name'])}[/]")
        if not pages:
            raise LaptopError("It has no pages: its run has logged no .html file.")
        for line in list_links(pages):
            console.print(escape(line), soft_wrap=True)
        for page in pages if show else ():
            typer.launch(page.resolve().as_uri())


@app.command()
def dashboard(
    target: Annotated[str | None, typer.Option("-t", "--target", help="Bundle target.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Draw the bundle's dashboards over the workspace's tables; print a link to each page."""
    with reporting():
        there = running_or_started()
        # Imports that take half a second, which no other command needs.
        from .dashboards.command import draw_dashboards

        bundle = resolve_target(Place.root(), target, {})
        drawn = list(draw_dashboards(bundle, there, Place.state_dir().path / "dashboards"))
        for each in drawn:
            console.print(f"{escape(each.name)}: {each.page.resolve().as_uri()}", soft_wrap=True)
            for widget, error in each.failed.items():
                problems.print(f"[red]Error:[/] widget {widget}: {escape(error)}", soft_wrap=True)
            if show:
                typer.launch(each.page.resolve().as_uri())
        if any(each.failed for each in drawn):
            raise typer.Exit(1)


@app.command()
def alerts(
    target: Annotated[str | None, typer.Option("-t", "--target", help="Bundle target.")] = None,
) -> None:
    """Evaluate the bundle's alerts once; exit status 1 where one is triggered or fails."""
    with reporting():
        there = running_or_started()
        from .alerts import evaluate_alerts, print_evaluation

        found = list(evaluate_alerts(resolve_target(Place.root(), target, {}), there))
        for each in found:
            print_evaluation(console, each)
        if any(each.state != "OK" for each in found):
            raise typer.Exit(1)


@app.command()
def approve(
    model: Annotated[str, typer.Argument(help="Registered model; its last level will do.")],
    version: Annotated[int, typer.Argument(help="The version's number.")],
    task: Annotated[str, typer.Option(help="Key of the task to approve.")] = "Approval_Check",
) -> None:
    """Approve a model version: tag it, and repair the run of its deployment job."""
    with reporting():
        there = running_or_started()
        from .approval import approve_version

        for line in approve_version(there, Place.state_dir(), model, version, task):
            console.print(escape(line), soft_wrap=True)


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
        from .traffic import explain, print_traffic, read_bodies, send

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
    from .kafka.broker import LIMITS, start_broker

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


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop the workspace and delete all it holds."""
    with reporting():
        state_dir = Place.state_dir()
        if not state_dir.path.exists():
            problems.print("Nothing to delete.")
            return
        if not yes:
            typer.confirm(f"Delete every table, model and run in {state_dir.path}?", abort=True)
        connection.stop(state_dir)
        shutil.rmtree(state_dir.path)
        problems.print("Deleted.")


def running_or_started() -> connection.Connection:
    """Return the workspace, started where it holds something but is not up."""
    state_dir = Place.state_dir()
    there = connection.find(state_dir)
    if there:
        return there
    if not state_dir.catalog_db.exists():
        raise WorkspaceNotRunning("There is no workspace here yet. Next: laptop run JOB")
    return open_workspace(state_dir, resolve_all(Place.root()))


def open_workspace(state_dir: StateDir, bundles: list[Bundle]) -> connection.Connection:
    """Return the workspace with the bundles' catalogs; say so first where it is to be started."""
    if connection.find(state_dir) is None:
        problems.print("[dim]Starting the workspace…[/]")
    return connection.open_workspace(state_dir, catalogs_of(bundles))


def find_default_schema(there: connection.Connection) -> dict[str, str]:
    """Return catalog and schema of the default target's first schema, once it is there."""
    try:
        schemas = resolve_names(resolve_target(Place.root(), None, {})).schemas.values()
    except BundleError:
        return {}
    for schema in schemas:
        place = {"catalog": schema.get("catalog_name", ""), "schema": schema.get("name", "")}
        with suppress(connection.RequestRefused):
            there.ask("GET", f"{UNITY}/schemas/{quote('.'.join(place.values()))}")
            return place
    return {}


def count_rows(there: connection.Connection, statement: str) -> str:
    """Return how many rows a statement has, in words, also where that cannot be asked."""
    with suppress(LaptopError):
        counting = f"SELECT count(*) FROM ({statement.rstrip().rstrip(';')})"
        answer = run_sql(there, counting, **find_default_schema(there))
        return f"{int(answer['result']['data_array'][0][0]):,}"
    return "more"


def resolve_target(root: Path, target: str | None, variables: dict[str, str]) -> Bundle:
    """Resolve one target for the laptop's own user."""
    identity = Identity(USER_NAME, SHORT_NAME, SCIM_FIELDS)
    return resolve(
        root,
        target=target,
        variables=variables,
        identity=identity,
        warehouses={WAREHOUSE_NAME: WAREHOUSE},
        # Tasks run on this machine, whatever cluster development uses.
        has_clusters=False,
    )


def warn(text: str) -> None:
    """Print a warning."""
    problems.print(f"[yellow]Warning:[/] {escape(text)}", soft_wrap=True)


def resolve_all(root: Path) -> list[Bundle]:
    """Resolve every target of the bundle that can be; warn of the others."""
    bundles = []
    try:
        names = list_targets(root)
    except BundleError as error:
        warn(f"the bundle cannot be read. {error}")
        return []
    for name in names:
        try:
            bundles.append(resolve_target(root, name, {}))
        except BundleError as error:
            warn(f"target {name or 'default'} cannot be resolved. {error}")
    return bundles


def split(option: str, values: list[str] | None) -> list[str]:
    """Return the items of an option that may be repeated; each is a line of CSV, as in the CLI."""
    items: list[str] = []
    for value in values or []:
        try:
            items += next(csv.reader([value], strict=True), [])
        except csv.Error as error:
            raise LaptopError(f"{option} takes a line of CSV; got '{value}': {error}.") from None
    return [item for item in items if item]


def read_pairs(option: str, values: list[str] | None) -> dict[str, str]:
    """Read `key=value` items."""
    pairs: dict[str, str] = {}
    for item in split(option, values):
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise LaptopError(
                f"{option} takes key=value, with commas between; got '{item}'. A value with a "
                f"comma takes quotes around the whole: {option} '\"key=a,b\"'."
            )
        if key in pairs:
            raise LaptopError(f"{option} gives '{key}' twice.")
        pairs[key] = value
    return pairs


def read_arguments(given: list[str] | None) -> dict[str, str]:
    """Read the job parameters that stand after `--`: `--key=value`, or `--key value`."""
    pairs: dict[str, str] = {}
    words = iter(given or [])
    for word in words:
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not key:
            raise LaptopError(f"After -- stand job parameters, --key=value; got '{word}'.")
        pairs[key] = value if equals else next(words, "")
    return pairs
