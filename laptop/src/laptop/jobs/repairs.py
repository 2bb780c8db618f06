"""Repairs of runs: choice of the tasks to run again, and the repair history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..clock import now_ms
from ..workspace.state import Document
from .errors import JobError, UnknownName
from .graph import Job
from .outcomes import GOOD, SUCCESS
from .records import last_attempts
from .resolution import RunFacts

HISTORY = "repair_history"


@dataclass(frozen=True)
class Repair:
    """A request to repair a run.

    Attributes:
        tasks: Keys of the tasks to run again.
        all_failed: Run all failed tasks again; replaces `tasks`.
        dependents: Also run dependent tasks again that have succeeded.
        latest: The previous repair.
        parameters: Job parameters that override those of the run.
    """

    tasks: Sequence[str] = ()
    all_failed: bool = False
    dependents: bool = False
    latest: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    def check(self, run: Document) -> None:
        """Validate the request and the number of the previous repair.

        Raises:
            JobError: The request is invalid.
        """
        if self.all_failed == bool(self.tasks):
            raise JobError(
                "A repair takes rerun_tasks or rerun_all_failed_tasks, one of them; got "
                f"{'both' if self.all_failed else 'neither'}."
            )
        if len(set(self.tasks)) < len(self.tasks):
            raise JobError("rerun_tasks cannot contain duplicate task keys.")
        known = latest_of(run)
        if known and self.latest is None:
            raise JobError(
                "The latest repair ID needs to be provided in order to create a new repair: give "
                f"latest_repair_id={known}."
            )
        if self.latest != known and self.latest is not None:
            raise JobError(
                f"latest_repair_id is {self.latest}; the latest repair of run {run['run_id']} is "
                f"{known or 'none'}."
            )

    def choose(self, job: Job, attempts: Sequence[Document]) -> set[str]:
        """Return the keys of the tasks to run again.

        Dependent tasks that did not succeed run again too, even excluded ones: the outcome of a
        condition may change.

        Args:
            job: The current job, restricted to the tasks of the run.
            attempts: Attempts of the run.

        Raises:
            JobError: A task does not exist, or no task has failed.
        """
        results = results_of(attempts)
        for key in self.tasks:
            if key not in results:
                raise UnknownName("task", key, results, "This run")
        again = set(self.tasks)
        if self.all_failed:
            again = {key for key, result in results.items() if result not in GOOD}
        if not again:
            raise JobError("No task of this run has failed. Name those to run in rerun_tasks.")
        for task in job.tasks:
            if task.before & again and (self.dependents or results[task.key] != SUCCESS):
                again.add(task.key)
        return again


def results_of(attempts: Sequence[Document]) -> dict[str, str]:
    """Return the result of each task of a run that has ended."""
    last = last_attempts(attempts)
    return {key: str(each["state"].get("result_state")) for key, each in last.items()}


def latest_of(run: Document) -> int | None:
    """Return the id of a run's latest repair."""
    items = run.get(HISTORY)
    return int(items[-1]["id"]) if items else None


def history(run: Document, attempts: Sequence[Document]) -> list[Document]:
    """Return the original run and its repairs, each with its task runs."""
    first = {"type": "ORIGINAL", "start_time": run["start_time"]}
    items = run.get(HISTORY) or [first]
    before = {number for item in items for number in item.get("task_run_ids", ())}
    own = [each["run_id"] for each in attempts if each["run_id"] not in before]
    end = {"end_time": run["end_time"]} if "end_time" in run else {}
    return [*items[:-1], items[-1] | {"state": run["state"], "task_run_ids": own} | end]


def begin(run: Document, attempts: Sequence[Document], repair_id: int, state: Document) -> Document:
    """Return a run with a new repair added."""
    item = {"type": "REPAIR", "id": repair_id, "start_time": now_ms()}
    kept = {k: v for k, v in run.items() if k != "end_time"}
    return kept | {HISTORY: [*history(run, attempts), item], "state": state}


def facts_of(run: Document, address: str) -> RunFacts:
    """Return the values for references of a repaired run."""
    started = datetime.fromtimestamp(run["start_time"] / 1000, UTC)
    facts = run["job_id"], run["run_name"], run["run_id"], started, run["trigger"], address
    return RunFacts(*facts, repairs=len(run[HISTORY]) - 1)
