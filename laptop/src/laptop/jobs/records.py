"""Runs as the Jobs API shows them, kept durably while they happen."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..workspace.state import Document, State
from .graph import Job

RUN = "run"
ENDED = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")


def now() -> int:
    """Return the time in epoch milliseconds."""
    return int(time.time() * 1000)


class RunRecord:
    """One run's document; every change is written before the next thing happens."""

    def __init__(self, state: State, document: Document) -> None:
        self._state = state
        self._lock = threading.RLock()
        self.document = document
        self._tasks = {task["task_key"]: task for task in document["tasks"]}
        self._save()

    @classmethod
    def begin(
        cls,
        state: State,
        job_id: int,
        job: Job,
        settings: Mapping[str, Any],
        parameters: Mapping[str, str],
        logs: Path,
    ) -> "RunRecord":
        """Write a new run of a job, as its settings are now, in which nothing has started."""
        run_id = state.count("run")
        folder = logs / str(run_id)
        folder.mkdir(parents=True, exist_ok=True)
        entries = {entry["task_key"]: entry for entry in settings["tasks"]}
        tasks = [
            {
                **entries[task.key],
                "run_id": run_id * 1000 + number,
                "attempt_number": 0,
                "depends_on": [{"task_key": key} for key in task.depends_on],
                "state": {"life_cycle_state": "PENDING"},
                "log": str(folder / f"{task.key}.log"),
                "values": {},
            }
            for number, task in enumerate(job.tasks, start=1)
        ]
        document = {
            "run_id": run_id,
            "job_id": job_id,
            "run_name": job.name,
            "run_type": "JOB_RUN",
            "state": {"life_cycle_state": "QUEUED"},
            "start_time": now(),
            "job_parameters": [{"name": k, "value": v} for k, v in parameters.items()],
            "tasks": tasks,
        }
        return cls(state, document)

    @property
    def run_id(self) -> int:
        """The run's number."""
        return int(self.document["run_id"])

    def task(self, key: str) -> Document:
        """Return what is known of a task."""
        with self._lock:
            return dict(self._tasks[key])

    def set_task(self, key: str, **changes: Any) -> None:
        """Change a task's fields."""
        with self._lock:
            self._tasks[key].update(changes)
            self._save()

    def set_state(self, life_cycle: str, result: str | None = None, message: str = "") -> None:
        """Change the run's state."""
        with self._lock:
            self.document["state"] = state_of(life_cycle, result, message)
            if life_cycle in ENDED:
                self.document["end_time"] = now()
            self._save()

    def abandon(self, message: str) -> None:
        """End the run where it stands: the runner itself has failed."""
        with self._lock:
            close(self.document, "FAILED", message)
            self._save()

    def _save(self) -> None:
        self._state.put(RUN, f"{self.document['run_id']:09d}", self.document)


def state_of(life_cycle: str, result: str | None = None, message: str = "") -> Document:
    """Return a run's or a task's state."""
    state = {"life_cycle_state": life_cycle}
    if result:
        state["result_state"] = result
    if message:
        state["state_message"] = message
    return state


def close_interrupted(state: State) -> None:
    """Mark what was under way when the workspace last stopped: nobody runs it any more."""
    for document in state.all(RUN):
        if document["state"]["life_cycle_state"] not in ENDED:
            message = "The workspace stopped during this run; run the job again."
            close(document, "CANCELED", message)
            state.put(RUN, f"{document['run_id']:09d}", document)


def close(document: Document, result: str, message: str) -> None:
    """Mark a run and those of its tasks that have not ended as ended by the laptop's own fault."""
    for part in (*document["tasks"], document):
        if part["state"]["life_cycle_state"] not in ENDED:
            part["state"] = state_of("INTERNAL_ERROR", result, message)
    document["end_time"] = now()
