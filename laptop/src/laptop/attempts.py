"""Descriptions of a task's attempt: state, duration and reason of its result."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

COLOURS = {
    "SUCCESS": "green",
    "FAILED": "red",
    "TIMEDOUT": "red",
    "INTERNAL_ERROR": "red",
    "EXCLUDED": "dim",
}
SIGNS = {
    "EQUAL_TO": "==",
    "NOT_EQUAL": "!=",
    "GREATER_THAN": ">",
    "GREATER_THAN_OR_EQUAL": ">=",
    "LESS_THAN": "<",
    "LESS_THAN_OR_EQUAL": "<=",
}
TRACEBACK = "Traceback (most recent call last):"
# The workspace's message if the reason is only in the log.
SEE_LOG = "The entry point failed; see the log."
LONGEST = 400

Document = dict[str, Any]


def explain_start(task: Document) -> str:
    """Return an attempt's loop item, or the run it started."""
    if "input" in task:
        return f"with {json.dumps(task['input'])}"
    return f"run {task['child_run_id']}" if "child_run_id" in task else ""


def explain_end(task: Document) -> str:
    """Return the reason of a result: a condition's comparison, or the message."""
    condition = task.get("condition_task") or {}
    if "outcome" in condition:
        sides = task["resolved_values"]["condition_task"]
        sign = SIGNS[condition["op"]]
        return f"{sides['left']} {sign} {sides['right']} is {condition['outcome']}"
    said = str(task["state"].get("state_message", ""))
    return read_failure_line(Path(task["log"])) or said if said == SEE_LOG else said


def read_failure_line(log: Path) -> str:
    """Return the exception at the end of a log, else the log's last line."""
    if not log.exists():
        return ""
    lines = log.read_text(errors="replace").splitlines()
    if TRACEBACK not in lines:
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    start = len(lines) - lines[::-1].index(TRACEBACK)
    after = [line for line in lines[start:] if not line.startswith((" ", "\t"))]
    # A message may have several lines, up to a blank one.
    message = after[: after.index("")] if "" in after[1:] else after
    name, colon, text = " ".join(line.strip() for line in message).partition(":")
    return f"{name.rpartition('.')[2]}{colon}{text}"


def describe(task: Document) -> str:
    """Return a task's state in one word."""
    word = str(task["state"].get("result_state") or life_of(task))
    word = {"WAITING_FOR_RETRY": "again"}.get(word, word)
    return word if word == "PENDING" else number_attempt(task, word)


def number_attempt(task: Document, word: str) -> str:
    """Return `word` with the attempt's number, unless it is the first."""
    attempt = task["attempt_number"]
    return f"{word} (attempt {attempt + 1})" if attempt else word


def life_of(task: Document) -> str:
    """Return a task's life cycle state."""
    return str(task["state"]["life_cycle_state"])


def is_broken(task: Document) -> bool:
    """Return whether the task itself has failed."""
    return task["state"].get("result_state") in ("FAILED", "TIMEDOUT")


def coloured(word: str, text: str = "") -> str:
    """Return a state, or a text about it, in the state's colour."""
    return f"[{COLOURS.get(word, 'yellow')}]{text or word}[/]"


def duration(task: Document) -> str:
    """Return a task's duration in seconds; empty if it has not started or ended."""
    if "start_time" not in task or "end_time" not in task:
        return ""
    return f"{(task['end_time'] - task['start_time']) / 1000:.1f} s"


def shorten(value: object) -> str:
    """Return a value on one line, truncated to a maximum length."""
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def print_indented(console: Console, head: str, text: str) -> None:
    """Print text after a head; in a terminal, wrap it at words with a hanging indent."""
    if not console.is_terminal:
        console.print(f"{head} {text}".rstrip(), soft_wrap=True)
        return
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column(no_wrap=True)
    line.add_column(overflow="fold")
    line.add_row(head, text)
    console.print(line)
