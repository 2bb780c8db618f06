"""Commands that show the workspace's contents, and one that approves a model version."""

import json
from contextlib import suppress
from typing import Annotated

import typer
from rich.markup import escape

from .. import connection
from ..errors import LaptopError
from ..pages import list_links, pages_of_version
from ..sql_output import as_json, print_rows
from ..status import find_version, print_status, read_models, read_status, run_sql
from .app import Format, Output, Place, app, console, problems, reporting
from .opening import find_default_schema, resolve_target, running_or_started


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


def count_rows(there: connection.Connection, statement: str) -> str:
    """Return a statement's row count as text, also if it cannot be counted."""
    with suppress(LaptopError):
        counting = f"SELECT count(*) FROM ({statement.rstrip().rstrip(';')})"
        answer = run_sql(there, counting, **find_default_schema(there))
        return f"{int(answer['result']['data_array'][0][0]):,}"
    return "more"


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
        # Slow imports (half a second) that only this command needs.
        from ..dashboards.command import draw_dashboards

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
        from ..alerts import evaluate_alerts, print_evaluation

        found = list(evaluate_alerts(resolve_target(Place.root(), target, {}), there))
        for each in found:
            print_evaluation(console, each)
        if any(each.state != "OK" for each in found):
            raise typer.Exit(1)


@app.command()
def approve(
    model: Annotated[
        str, typer.Argument(help="Registered model; the last part of its name is enough.")
    ],
    version: Annotated[int, typer.Argument(help="The version's number.")],
    task: Annotated[str, typer.Option(help="Key of the task to approve.")] = "Approval_Check",
) -> None:
    """Approve a model version: tag it, and repair the run of its deployment job."""
    with reporting():
        there = running_or_started()
        from ..approval import approve_version

        for line in approve_version(there, Place.state_dir(), model, version, task):
            console.print(escape(line), soft_wrap=True)
