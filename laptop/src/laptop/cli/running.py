"""Commands that start, use and stop the workspace."""

import shutil
import signal
import subprocess
from typing import Annotated, Any

import typer
from rich.markup import escape

from .. import connection, progress
from ..deployment import deploy_job
from ..errors import LaptopError
from ..jobs.task_environment import TaskEnvironment
from ..state_dir import file_lock
from ..summary import headline, summarize
from .app import Place, app, console, problems, reporting, warn
from .arguments import read_arguments, read_pairs, split
from .opening import open_workspace, resolve_all, resolve_target

AWAKE_SECONDS = 60


@app.command()
def run(
    job: Annotated[str, typer.Argument(help="Key of a job under resources.jobs.")],
    target: Annotated[str | None, typer.Option("-t", "--target", help="Bundle target.")] = None,
    params: Annotated[
        list[str] | None, typer.Option(help="Job parameters: key=value, separated by commas.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Run only these tasks: keys, separated by commas.")
    ] = None,
    var: Annotated[list[str] | None, typer.Option(help="Bundle variables: key=value.")] = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(help="After --: job parameters, --key=value.")
    ] = None,
    brief: Annotated[
        bool, typer.Option("--brief", help="Print only one line for each task.")
    ] = False,
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
        # Concurrent deployments would create the job twice and overwrite the wheel.
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
    # There is no deployment here, so the schemas declared by the bundle count as deployed.
    variables = {**environment.variables(), "LAPTOP_SCHEMAS": " ".join(sorted(declared))}
    running = subprocess.Popen(command, env=variables)
    # Leave Ctrl-C to the command, which may ask before it exits.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: running.terminate())
    while True:
        try:
            raise typer.Exit(running.wait(AWAKE_SECONDS))
        except subprocess.TimeoutExpired:
            # Keep the workspace from its idle shutdown.
            connection.find(state_dir)


@app.command()
def down() -> None:
    """Stop the workspace; what it holds stays."""
    with reporting():
        stopped = connection.stop(Place.state_dir())
        problems.print("Stopped." if stopped else "No workspace is running.")


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
