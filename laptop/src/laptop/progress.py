"""Progress of a run, printed line by line."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from .attempts import (
    TRACEBACK,
    Document,
    coloured,
    describe,
    duration,
    explain_end,
    explain_start,
    is_broken,
    life_of,
    number_attempt,
    print_indented,
    shorten,
)
from .jobs.records import ENDED

POLL_SECONDS = 0.1

GetRun = Callable[[int], Document]


class LogTail:
    """The new lines of a growing log, up to a traceback, which is printed once at the end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0
        self._failing = False

    def read(self) -> list[str]:
        """Return the complete lines written since the last call."""
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
    """One attempt of a task, with its label and nesting depth."""

    label: str
    attempt: Document
    depth: int = 0


@dataclass(frozen=True)
class Seen:
    """Snapshot of a run; `rows` includes loop iterations and tasks of child runs."""

    run: Document
    rows: list[Row] = field(default_factory=list)


def look(run: Document, get_run: GetRun) -> Seen:
    """Return a snapshot of a run."""
    return Seen(run, list(spread(run, get_run, "", 0)))


def spread(run: Document, get_run: GetRun, prefix: str, depth: int) -> Iterator[Row]:
    """Yield a run's attempts, each followed by its iterations and child runs."""
    for task in run["tasks"]:
        label = f"{prefix}{task['task_key']}"
        yield Row(label, task, depth)
        for each in task.get("iterations", ()):
            name = f"{prefix}{each['task_key']}[{each['iteration']}]"
            yield Row(name, each, depth + 1)
            yield from spread_child(each, get_run, name, depth + 2)
        yield from spread_child(task, get_run, label, depth + 1)


def spread_child(task: Document, get_run: GetRun, label: str, depth: int) -> Iterator[Row]:
    """Yield the attempts of a task's child run."""
    if "child_run_id" in task:
        yield from spread(get_run(task["child_run_id"]), get_run, f"{label}/", depth)


class Report:
    """Prints the progress of a run in chronological order.

    Args:
        console: Output console.
        brief: Print one line per finished task, with its task values.
    """

    def __init__(self, console: Console, *, brief: bool = False) -> None:
        self._console = console
        self._brief = brief
        self._shown: dict[int, str] = {}
        self._begun: set[int] = set()
        self._tails: dict[int, LogTail] = {}

    def show(self, seen: Seen) -> None:
        """Print starts and ends since the last call, and the log lines in between."""
        if seen.run["state"]["life_cycle_state"] == "QUEUED" and not self._shown:
            stamp(self._console, "queued: another run of this job is under way")
        for _, row, is_start in sorted(self._events(seen), key=lambda event: event[0]):
            if is_start:
                if not self._brief:
                    report_start(self._console, row)
            else:
                self._print_log(row)
                report_end(self._console, row, brief=self._brief)
        for row in seen.rows:
            self._print_log(row)

    def _events(self, seen: Seen) -> Iterator[tuple[tuple[float, int, int], Row, bool]]:
        """Yield each new start and end with its sort key."""
        for row in seen.rows:
            task, number = row.attempt, int(row.attempt["run_id"])
            # An attempt may have started and ended since the last call.
            if "start_time" in task and number not in self._begun:
                self._begun.add(number)
                yield (task["start_time"], 1, row.depth), row, True
            if self._shown.get(number) != describe(task):
                self._shown[number] = describe(task)
                end = task.get("end_time", float("inf"))
                # At the same time: first ends, inner before outer; then starts; then the ends of
                # attempts without duration.
                kind = 2 if end == task.get("start_time") else 0
                yield (end, kind, -row.depth), row, False

    def _print_log(self, row: Row) -> None:
        if self._brief:
            return
        tail = self._tails.setdefault(row.attempt["run_id"], LogTail(Path(row.attempt["log"])))
        for line in tail.read():
            print_indented(self._console, f"         [dim]{escape(row.label)} │[/]", escape(line))


def follow(console: Console, get_run: GetRun, run_id: int, *, brief: bool = False) -> Seen:
    """Print a run's progress until it ends.

    Args:
        console: Output console.
        get_run: Returns a run in the format of the Jobs API.
        run_id: The run.
        brief: Print one line per finished task, with its task values.

    Returns:
        The final snapshot of the run.
    """
    report = Report(console, brief=brief)
    with console.status("") as status:
        while True:
            seen = look(get_run(run_id), get_run)
            report.show(seen)
            whole = seen.run["state"]["life_cycle_state"]
            running = [r.label for r in seen.rows if life_of(r.attempt) == "RUNNING"]
            status.update(escape(f"running {', '.join(running)}" if running else whole.lower()))
            if whole in ENDED:
                return seen
            time.sleep(POLL_SECONDS)


def report_start(console: Console, row: Row) -> None:
    """Print the start of an attempt; conditions are omitted."""
    task = row.attempt
    if "condition_task" not in task:
        text = f"[bold]{escape(row.label)}[/] {number_attempt(task, 'started')}"
        about = escape(shorten(explain_start(task)))
        stamp(console, f"{text} {about}".rstrip(), task["start_time"])


def report_end(console: Console, row: Row, *, brief: bool = False) -> None:
    """Print the end of an attempt or its retry; if brief, with its task values."""
    task, name = row.attempt, f"[bold]{escape(row.label)}[/]"
    why = escape(shorten(explain_end(task)))
    if life_of(task) == "WAITING_FOR_RETRY":
        stamp(console, f"{name} {describe(task)}: {why}")
    elif life_of(task) in ENDED:
        word = task["state"].get("result_state", "")
        said = f"[red]{why}[/]" if why and is_broken(task) else why
        left = [f"{key} = {shorten(value)}" for key, value in task["values"].items()]
        parts = [name, coloured(word, describe(task)), duration(task), said]
        parts += [escape(", ".join(left))] if brief else []
        stamp(console, " ".join(filter(None, parts)), task.get("end_time"))


def stamp(console: Console, text: str, epoch_ms: int | None = None) -> None:
    """Print a line with the time of day, by default the current one."""
    when = datetime.now() if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000)
    print_indented(console, f"[dim]{when:%H:%M:%S}[/]", text)
