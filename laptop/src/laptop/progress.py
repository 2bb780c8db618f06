"""A run as the person who started it sees it: lines while it goes, a table at the end."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .jobs.records import ENDED

COLOURS = {"SUCCESS": "green", "FAILED": "red", "TIMEDOUT": "red", "EXCLUDED": "dim"}
SIGNS = {
    "EQUAL_TO": "==",
    "NOT_EQUAL": "!=",
    "GREATER_THAN": ">",
    "GREATER_THAN_OR_EQUAL": ">=",
    "LESS_THAN": "<",
    "LESS_THAN_OR_EQUAL": "<=",
}
TAIL = 25
MOST_LOGS = 3
MOST_ITERATIONS = 20
TRACEBACK = "Traceback (most recent call last):"
POLL_SECONDS = 0.1

Document = dict[str, Any]
GetRun = Callable[[int], Document]


class LogTail:
    """The new lines of a growing file, up to a traceback: that is shown once, at the end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0
        self._failing = False

    def read(self) -> list[str]:
        """Return the whole lines written since the last call."""
        if self._failing or not self._file.exists():
            return []
        with self._file.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        lines = whole.decode(errors="replace").splitlines()
        if TRACEBACK in lines:
            self._failing = True
            return lines[: lines.index(TRACEBACK)]
        return lines


@dataclass(frozen=True)
class Row:
    """One attempt of a task, with its label and how deep it is nested."""

    label: str
    attempt: Document
    depth: int = 0


@dataclass(frozen=True)
class Seen:
    """A run as it is now; `rows` holds its tasks, those of its loops and of the jobs it runs."""

    run: Document
    rows: list[Row] = field(default_factory=list)


def look(run: Document, get_run: GetRun) -> Seen:
    """Read all that goes on in a run."""
    return Seen(run, list(spread(run, get_run, "", 0)))


def spread(run: Document, get_run: GetRun, prefix: str, depth: int) -> Iterator[Row]:
    """Yield a run's attempts, each followed by what it has started."""
    for task in run["tasks"]:
        label = f"{prefix}{task['task_key']}"
        yield Row(label, task, depth)
        for each in task.get("iterations", ()):
            name = f"{prefix}{each['task_key']}[{each['iteration']}]"
            yield Row(name, each, depth + 1)
            yield from spread_child(each, get_run, name, depth + 2)
        yield from spread_child(task, get_run, label, depth + 1)


def spread_child(task: Document, get_run: GetRun, label: str, depth: int) -> Iterator[Row]:
    """Yield the attempts of the run that a task has started."""
    if "child_run_id" in task:
        yield from spread(get_run(task["child_run_id"]), get_run, f"{label}/", depth)


def follow(console: Console, get_run: GetRun, run_id: int) -> Seen:
    """Print what happens in a run until it ends.

    Args:
        console: Where to print.
        get_run: Asks for a run, as the Jobs API shows it.
        run_id: The run.

    Returns:
        The run as it ended.
    """
    shown: dict[int, str] = {}
    begun: set[tuple[int, int]] = set()
    tails: dict[int, LogTail] = {}
    with console.status("") as status:
        while True:
            seen = look(get_run(run_id), get_run)
            whole = seen.run["state"]["life_cycle_state"]
            if whole == "QUEUED" and not shown:
                stamp(console, "queued: another run of this job is under way")
            new = [r for r in seen.rows if shown.get(r.attempt["run_id"]) != describe(r.attempt)]
            for row in seen.rows:
                number = row.attempt["run_id"]
                shown[number] = describe(row.attempt)
                tail = tails.setdefault(number, LogTail(Path(row.attempt["log"])))
                attempt = number, int(row.attempt["attempt_number"])
                # One that began and ended between two looks has begun all the same.
                has_begun = "start_time" in row.attempt and attempt not in begun
                if has_begun:
                    begun.add(attempt)
                report_start(console, row, tail, is_new=has_begun)
            # What lies inside has ended before what holds it.
            for row in sorted(new, key=lambda row: -row.depth):
                report_end(console, row)
            running = [r.label for r in seen.rows if life_of(r.attempt) == "RUNNING"]
            status.update(escape(f"running {', '.join(running)}" if running else whole.lower()))
            if whole in ENDED:
                return seen
            time.sleep(POLL_SECONDS)


def report_start(console: Console, row: Row, tail: LogTail, *, is_new: bool) -> None:
    """Print that an attempt has started, and what it has logged since the last time."""
    task = row.attempt
    if is_new and "condition_task" not in task:
        started = number_attempt(task, "started")
        text = f"[bold]{escape(row.label)}[/] {started} {escape(shorten(explain_start(task)))}"
        stamp(console, text.rstrip())
    for line in tail.read():
        console.print(f"         [dim]{escape(row.label)}[/] │ {escape(line)}", soft_wrap=True)


def report_end(console: Console, row: Row) -> None:
    """Print how an attempt has ended, or when it will start."""
    task, name = row.attempt, f"[bold]{escape(row.label)}[/]"
    why = escape(shorten(explain_end(task)))
    if life_of(task) == "WAITING_FOR_RETRY":
        stamp(console, f"{name} {describe(task)}: {why}")
    elif life_of(task) in ENDED:
        stamp(console, " ".join(filter(None, (name, coloured(task), duration(task), why))))


def summarize(console: Console, seen: Seen) -> None:
    """Print the table of a run that has ended and, for failures, the ends of their logs."""
    rows = list({row.label: row for row in seen.rows}.values())
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("task", "result", "time", "left"):
        table.add_column(title, overflow="fold")
    for row in pick(rows):
        left = [f"{k} = {shorten(v)}" for k, v in row.attempt["values"].items()]
        said = "" if is_broken(row.attempt) else explain_end(row.attempt)
        about = shorten(explain_start(row.attempt))
        table.add_row(
            escape("  " * row.depth + row.label),
            coloured(row.attempt),
            duration(row.attempt),
            escape("\n".join(filter(None, (about, said, *left)))),
        )
    console.print()
    console.print(table)
    left_out = len(rows) - len(pick(rows))
    if left_out:
        console.print(f"[dim]and {left_out} iterations that succeeded[/]")
    failed = [row for row in rows if is_broken(row.attempt)]
    for row in failed[:MOST_LOGS]:
        print_failure(console, row)
    if len(failed) > MOST_LOGS:
        names = ", ".join(row.label for row in failed[MOST_LOGS:])
        console.print(f"\n[red]So did[/] {escape(names)}.", soft_wrap=True)


def pick(rows: list[Row]) -> list[Row]:
    """Leave out the iterations that succeeded where there are too many of them."""
    if sum("iteration" in row.attempt for row in rows) <= MOST_ITERATIONS:
        return rows
    return [
        row
        for row in rows
        if "iteration" not in row.attempt or row.attempt["state"].get("result_state") != "SUCCESS"
    ]


def print_failure(console: Console, row: Row) -> None:
    """Print what became of a task that failed, and the end of its log."""
    message = row.attempt["state"].get("state_message", "")
    console.print(f"\n[red]{escape(row.label)} failed.[/] {escape(message)}", soft_wrap=True)
    log = Path(row.attempt["log"])
    if not log.exists():
        return
    for line in log.read_text(errors="replace").splitlines()[-TAIL:]:
        console.print(f"  [dim]│[/] {escape(line)}", soft_wrap=True)
    console.print(f"The whole log: {log}", soft_wrap=True)


def stamp(console: Console, text: str) -> None:
    """Print a line with the time of day."""
    console.print(f"[dim]{datetime.now():%H:%M:%S}[/] {text}", soft_wrap=True)


def explain_start(task: Document) -> str:
    """Return what an attempt works on: its item, or the run it has started."""
    if "input" in task:
        return f"with {json.dumps(task['input'])}"
    return f"run {task['child_run_id']}" if "child_run_id" in task else ""


def explain_end(task: Document) -> str:
    """Return why an attempt ended as it did: the comparison of a condition, or what was said."""
    condition = task.get("condition_task") or {}
    if "outcome" in condition:
        sides = task["resolved_values"]["condition_task"]
        sign = SIGNS[condition["op"]]
        return f"{sides['left']} {sign} {sides['right']} is {condition['outcome']}"
    return str(task["state"].get("state_message", ""))


def describe(task: Document) -> str:
    """Return a task's state in one word."""
    word = str(task["state"].get("result_state") or life_of(task))
    word = {"WAITING_FOR_RETRY": "again"}.get(word, word)
    return word if word == "PENDING" else number_attempt(task, word)


def number_attempt(task: Document, word: str) -> str:
    """Return a word about an attempt with its number, where it is not the first."""
    attempt = task["attempt_number"]
    return f"{word} (attempt {attempt + 1})" if attempt else word


def life_of(task: Document) -> str:
    """Return where in its life a task is."""
    return str(task["state"]["life_cycle_state"])


def is_broken(task: Document) -> bool:
    """Tell whether a task itself has failed."""
    return task["state"].get("result_state") in ("FAILED", "TIMEDOUT")


def coloured(task: Document) -> str:
    """Return a task's state in its colour."""
    colour = COLOURS.get(task["state"].get("result_state", ""), "yellow")
    return f"[{colour}]{describe(task)}[/]"


def duration(task: Document) -> str:
    """Return how long a task took, in seconds; nothing for one that never started."""
    if "start_time" not in task or "end_time" not in task:
        return ""
    return f"{(task['end_time'] - task['start_time']) / 1000:.1f} s"


def shorten(value: object) -> str:
    """Return a value on one line of 100 characters at most."""
    text = str(value).replace("\n", " ")
    return text if len(text) <= 100 else f"{text[:99]}…"
