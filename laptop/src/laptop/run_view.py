"""A run as the person who started it sees it: lines while it goes, a table at the end."""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .jobs.records import ENDED

COLOURS = {"SUCCESS": "green", "FAILED": "red", "TIMEDOUT": "red", "CANCELED": "yellow"}
TAIL = 25
TRACEBACK = "Traceback (most recent call last):"
POLL_SECONDS = 0.1

Document = dict[str, Any]


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


def follow(console: Console, get_run: Callable[[], Document]) -> Document:
    """Print what happens in a run until it ends.

    Args:
        console: Where to print.
        get_run: Asks for the run, as the Jobs API shows it.

    Returns:
        The run as it ended.
    """
    shown: dict[str, str] = {}
    tails: dict[str, LogTail] = {}
    with console.status("") as status:
        while True:
            run = get_run()
            whole = run["state"]["life_cycle_state"]
            if whole == "QUEUED" and not shown:
                stamp(console, "queued: another run of this job is under way")
            running = []
            for task in run["tasks"]:
                key, life = task["task_key"], task["state"]["life_cycle_state"]
                new = shown.get(key) != describe(task)
                shown[key] = describe(task)
                if life == "RUNNING":
                    running.append(key)
                    if new:
                        stamp(console, f"[bold]{key}[/] {shown[key].replace(life, 'started')}")
                for line in tails.setdefault(key, LogTail(Path(task["log"]))).read():
                    console.print(f"         [dim]{key}[/] │ {escape(line)}", soft_wrap=True)
                if new and life == "WAITING_FOR_RETRY":
                    stamp(console, f"[bold]{key}[/] {escape(task['state']['state_message'])}")
                elif new and life in ENDED:
                    stamp(console, f"[bold]{key}[/] {coloured(task)} {duration(task)}")
            status.update(f"running {', '.join(running)}" if running else whole.lower())
            if whole in ENDED:
                return run
            time.sleep(POLL_SECONDS)


def summarize(console: Console, run: Document) -> None:
    """Print the table of a run that has ended and, for a failure, the end of its log."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("task", "result", "time", "left"):
        table.add_column(title, overflow="fold")
    for task in run["tasks"]:
        left = "\n".join(f"{k} = {shorten(v)}" for k, v in task["values"].items())
        table.add_row(task["task_key"], coloured(task), duration(task), escape(left))
    console.print()
    console.print(table)
    for task in run["tasks"]:
        if task["state"].get("result_state") in ("FAILED", "TIMEDOUT"):
            message = task["state"].get("state_message", "")
            console.print(f"\n[red]{task['task_key']} failed.[/] {escape(message)}")
            log = Path(task["log"])
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            for line in lines[-TAIL:]:
                console.print(f"  [dim]│[/] {escape(line)}", soft_wrap=True)
            console.print(f"The whole log: {log}", soft_wrap=True)


def stamp(console: Console, text: str) -> None:
    """Print a line with the time of day."""
    console.print(f"[dim]{datetime.now():%H:%M:%S}[/] {text}", soft_wrap=True)


def describe(task: Document) -> str:
    """Return a task's state in one word."""
    state = task["state"]
    word = str(state.get("result_state") or state["life_cycle_state"])
    attempt = task["attempt_number"]
    return f"{word} (attempt {attempt + 1})" if attempt and word != "PENDING" else word


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
    """Return a task value on one line of 100 characters at most."""
    text = str(value).replace("\n", " ")
    return text if len(text) <= 100 else f"{text[:99]}…"
