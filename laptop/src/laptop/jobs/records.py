"""Runs in the form of the Jobs API, stored durably as they change.

Runs and attempts are separate documents, so that each change writes little.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..clock import now_ms
from ..workspace.state import Document, State
from .graph import Job, Task
from .resolution import RunFacts

JOB, RUN, ATTEMPT = "job", "run", "attempt"
ENDED = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
# Attempt numbers are run number * ATTEMPTS + count.
ATTEMPTS = 1_000_000


class AttemptRecord:
    """The attempts of a task, or of one item of a loop.

    Attributes:
        document: The last attempt.
        first: Number of the first attempt since the run or its last repair was started.
    """

    def __init__(self, run: "RunRecord", stem: str, document: Document) -> None:
        self._run = run
        self._stem = stem
        self.document = document
        self.first = int(document["attempt_number"])
        # Attempts that a repair keeps already have a number.
        if "run_id" not in document:
            self._add(document)

    @property
    def log(self) -> Path:
        """Log file of the attempt."""
        return self._run.folder / str(self.document["log"])

    @property
    def values_file(self) -> Path:
        """File of the task's values."""
        return self._run.folder / f"{self._stem}.values.json"

    def set(self, **changes: Any) -> None:
        """Change the attempt's fields."""
        self.document.update(changes)
        self._run.save(self.document)

    def start(self) -> None:
        """Mark the attempt as running."""
        self.set(state=state_of("RUNNING"), start_time=now_ms())

    def finish(self, result: str, message: str = "", values: Document | None = None) -> None:
        """Mark the attempt as ended."""
        ended = {"end_time": now_ms()} if "start_time" in self.document else {}
        self.set(state=state_of("TERMINATED", result, message), values=values or {}, **ended)

    def skip(self, result: str) -> None:
        """Mark the attempt as skipped."""
        self.set(state=state_of("SKIPPED", result))

    def again(self, message: str) -> None:
        """Add a retry."""
        self.document = following(self.document, state_of("WAITING_FOR_RETRY", message=message))
        self._add(self.document)

    def iterate(self, task: Task, items: Sequence[Any]) -> list["AttemptRecord"]:
        """Add an attempt of `task` for each item of this loop."""
        entry = self.document["for_each_task"]["task"]
        again = self.document["attempt_number"]
        stem = f"{task.key}.again{again}" if again else task.key
        return [
            AttemptRecord(
                self._run,
                f"{stem}.{number}",
                pending(entry)
                | {"for_each_run_id": self.document["run_id"], "iteration": number, "input": item},
            )
            for number, item in enumerate(items, start=1)
        ]

    def _add(self, document: Document) -> None:
        number = document["attempt_number"]
        document["log"] = f"{self._stem}.log" if number == 0 else f"{self._stem}.again{number}.log"
        document["run_id"] = self._run.number()
        self._run.save(document)


class RunRecord:
    """The documents of one run; every change is written immediately."""

    def __init__(self, state: State, state_dir: Path, document: Document, attempts: int) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._attempts = attempts
        self.run_id = int(document["run_id"])
        self.folder = folder_of(state_dir, self.run_id)
        self.document = document
        self.tasks: dict[str, AttemptRecord] = {}

    @classmethod
    def create(
        cls,
        state: State,
        facts: RunFacts,
        job: Job,
        settings: Mapping[str, Any],
        state_dir: Path,
        *,
        queued: bool,
        **more: Any,
    ) -> "RunRecord":
        """Write a new run of a job with its current settings; no task is started."""
        document = {
            "run_id": facts.run_id,
            "job_id": facts.job_id,
            "run_name": facts.job_name,
            "run_type": "JOB_RUN",
            "trigger": facts.trigger,
            "state": state_of("QUEUED" if queued else "PENDING"),
            "start_time": int(facts.started.timestamp() * 1000),
            **more,
        }
        record = cls(state, state_dir, document, attempts=0)
        record.folder.mkdir(parents=True, exist_ok=True)
        # The run is written first, so that an interrupted one is closed at the next start.
        record.set()
        for task in job.tasks:
            record.tasks[task.key] = AttemptRecord(record, task.key, waiting(task, settings))
        return record

    @classmethod
    def reopen(
        cls,
        state: State,
        state_dir: Path,
        document: Document,
        job: Job,
        settings: Mapping[str, Any],
        again: Collection[str],
    ) -> "RunRecord":
        """Open a run that has ended, with a new attempt for each task in `again`."""
        attempts = stored_attempts(state, document["run_id"])
        last = last_attempts(attempts)
        numbers = [int(each["run_id"]) % ATTEMPTS for each in attempts]
        record = cls(state, state_dir, document, attempts=max(numbers))
        record.set()
        for task in job.tasks:
            attempt = last[task.key]
            if task.key in again:
                number = attempt["attempt_number"] + ("start_time" in attempt)
                attempt = waiting(task, settings) | {"attempt_number": number}
            record.tasks[task.key] = AttemptRecord(record, task.key, attempt)
        return record

    def number(self) -> int:
        """Return the number for the run's next attempt."""
        with self._lock:
            self._attempts += 1
            return self.run_id * ATTEMPTS + self._attempts

    def save(self, attempt: Document) -> None:
        """Write an attempt."""
        self._state.put(ATTEMPT, attempt_name(attempt["run_id"]), attempt)

    def set(self, **changes: Any) -> None:
        """Change the run's fields."""
        self.document.update(changes)
        self._state.put(RUN, f"{self.run_id:09d}", self.document)

    def finish(self, life_cycle: str, result: str, message: str) -> None:
        """Mark the run as ended."""
        self.set(state=state_of(life_cycle, result, message), end_time=now_ms())

    def abandon(self, message: str) -> None:
        """End the run after an error of the runner itself."""
        close(self._state, self.document, "FAILED", message)


def pending(entry: Document) -> Document:
    """Return a pending attempt with a task's settings."""
    return {**entry, "attempt_number": 0, "state": state_of("PENDING"), "values": {}}


def waiting(task: Task, settings: Mapping[str, Any]) -> Document:
    """Return a pending attempt with a task's settings and dependencies."""
    (entry,) = (each for each in settings["tasks"] if each["task_key"] == task.key)
    depends_on = [
        {"task_key": each.key} | ({"outcome": each.outcome} if each.outcome else {})
        for each in task.depends_on
    ]
    return pending(entry) | {"depends_on": depends_on}


def following(attempt: Document, state: Document) -> Document:
    """Return the next attempt after `attempt`."""
    gone = ("start_time", "end_time", "resolved_values", "child_run_id", "run_id")
    kept = {k: v for k, v in attempt.items() if k not in gone}
    number = attempt["attempt_number"] + 1
    return kept | {"attempt_number": number, "state": state, "values": {}}


def last_attempts(attempts: Sequence[Document]) -> dict[str, Document]:
    """Return each task's last attempt, without those of a loop's items."""
    return {each["task_key"]: each for each in attempts if "for_each_run_id" not in each}


def attempt_name(number: int) -> str:
    """Return the key of an attempt's document."""
    return f"{number // ATTEMPTS:09d}.{number % ATTEMPTS:06d}"


def has_ended(run: Document) -> bool:
    """Return whether a run or a task has ended."""
    return run["state"]["life_cycle_state"] in ENDED


def state_of(life_cycle: str, result: str | None = None, message: str = "") -> Document:
    """Return a run's or a task's state."""
    state = {"life_cycle_state": life_cycle}
    if result:
        state["result_state"] = result
    if message:
        state["state_message"] = message
    return state


def folder_of(state_dir: Path, run_id: int) -> Path:
    """Return the folder of a run's logs and task values."""
    return state_dir / "runs" / str(run_id)


def read_attempts(state: State, run_id: int) -> list[Document]:
    """Return all attempts of a run in chronological order, with absolute log paths."""
    folder = folder_of(state.folder, run_id)
    return [each | {"log": str(folder / each["log"])} for each in stored_attempts(state, run_id)]


def stored_attempts(state: State, run_id: int) -> list[Document]:
    """Return all attempts of a run as stored, with log paths relative to the run's folder."""
    return state.all(ATTEMPT, f"{run_id:09d}.")


def close_interrupted(state: State) -> None:
    """Close the runs that were active when the workspace stopped."""
    for document in state.all(RUN):
        if document["state"]["life_cycle_state"] not in ENDED:
            message = "The workspace stopped during this run; run the job again."
            close(state, document, "CANCELED", message)


def close(state: State, run: Document, result: str, message: str) -> None:
    """End a run and its active tasks with an internal error of the laptop."""
    closed = {"state": state_of("INTERNAL_ERROR", result, message), "end_time": now_ms()}
    for attempt in stored_attempts(state, run["run_id"]):
        if attempt["state"]["life_cycle_state"] not in ENDED:
            state.put(ATTEMPT, attempt_name(attempt["run_id"]), attempt | closed)
    # Write the run last: a run that has ended must have no active tasks.
    run.update(closed)
    state.put(RUN, f"{run['run_id']:09d}", run)
