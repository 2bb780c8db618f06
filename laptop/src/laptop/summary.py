"""Summary of a finished run: table of its tasks, failures with reasons, pages."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .attempts import (
    Document,
    coloured,
    describe,
    duration,
    explain_end,
    explain_start,
    is_broken,
    shorten,
)
from .pages import list_links, pages_between
from .progress import Row, Seen

TAIL = 15
MOST_LOGS = 3
MOST_ITERATIONS = 20


def summarize(console: Console, seen: Seen, artifacts: Path, *, brief: bool = False) -> None:
    """Print the task table of a finished run, the logs of failed tasks, and links to pages.

    Args:
        console: Output console.
        seen: Snapshot of the run.
        artifacts: Folder of MLflow's artifacts.
        brief: Omit the table.
    """
    rows = last_attempts(seen)
    pages = {row.label: pages_of(row.attempt, artifacts) for row in rows}
    if not brief:
        print_table(console, rows, pages)
    failed = failed_rows(seen)
    for row in failed[:MOST_LOGS]:
        print_log(console, row)
    if len(failed) > MOST_LOGS:
        names = ", ".join(row.label for row in failed[MOST_LOGS:])
        console.print(f"\n[red]So did[/] {escape(names)}.", soft_wrap=True)
    made = dict.fromkeys(page for found in pages.values() for page in found)
    if made:
        console.print("\nPages:" if not brief else "Pages:")
        for line in list_links(made):
            console.print(escape(line), soft_wrap=True)


def print_table(console: Console, rows: list[Row], pages: Mapping[str, list[Path]]) -> None:
    """Print a line for each task with its result, task values and pages."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("task", "result", "time", "left"):
        table.add_column(title, overflow="fold")
    for row in pick(rows):
        task = row.attempt
        said = escape(shorten(explain_end(task)))
        table.add_row(
            escape("  " * row.depth + row.label),
            coloured(task["state"].get("result_state", ""), describe(task)),
            duration(task),
            "\n".join(
                filter(
                    None,
                    (
                        escape(shorten(explain_start(task))),
                        f"[red]{said}[/]" if said and is_broken(task) else said,
                        *(escape(f"{k} = {shorten(v)}") for k, v in task["values"].items()),
                        *(escape(f"page {shown(page)}") for page in pages[row.label]),
                    ),
                )
            ),
        )
    console.print()
    console.print(table)
    left_out = len(rows) - len(pick(rows))
    if left_out:
        console.print(f"[dim]and {left_out} iterations that succeeded[/]")


def headline(seen: Seen) -> str:
    """Return the reason of a run's failure: the failed task and its message."""
    failed = failed_rows(seen)
    if not failed:
        return str(seen.run["state"].get("state_message", ""))
    # Parents of a failed task failed only because of it.
    deepest = max(row.depth for row in failed)
    first, *others = (row for row in failed if row.depth == deepest)
    more = f" (and {len(others)} more failed)" if others else ""
    return f"{first.label}: {shorten(explain_end(first.attempt))}{more}"


def last_attempts(seen: Seen) -> list[Row]:
    """Return the last attempt of each task."""
    return list({row.label: row for row in seen.rows}.values())


def failed_rows(seen: Seen) -> list[Row]:
    """Return the tasks that have failed."""
    return [row for row in last_attempts(seen) if is_broken(row.attempt)]


def pages_of(task: Document, artifacts: Path) -> list[Path]:
    """Return the pages logged by an attempt of a wheel task."""
    if "python_wheel_task" not in task or "end_time" not in task or "start_time" not in task:
        return []
    return pages_between(artifacts, task["start_time"], task["end_time"])


def shown(path: Path) -> Path:
    """Return a path relative to the current folder if possible."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def pick(rows: list[Row]) -> list[Row]:
    """Drop successful iterations if there are too many."""
    if sum("iteration" in row.attempt for row in rows) <= MOST_ITERATIONS:
        return rows
    return [
        row
        for row in rows
        if "iteration" not in row.attempt or row.attempt["state"].get("result_state") != "SUCCESS"
    ]


def print_log(console: Console, row: Row) -> None:
    """Print a task's failure and the end of its log."""
    said = escape(shorten(explain_end(row.attempt)))
    console.print(f"\n[red]{escape(row.label)} failed. {said}[/]", soft_wrap=True)
    log = Path(row.attempt["log"])
    if not log.exists():
        return
    for line in log.read_text(errors="replace").splitlines()[-TAIL:]:
        console.print(f"  [dim]│[/] {escape(line)}", soft_wrap=True)
    console.print(f"The whole log: {log}", soft_wrap=True)
