"""Runs of the deployed jobs, stored in a file so that a later session can resume waiting."""

import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.jobs import Run, RunLifeCycleState, RunResultState

ENDED = (
    RunLifeCycleState.TERMINATED,
    RunLifeCycleState.SKIPPED,
    RunLifeCycleState.INTERNAL_ERROR,
)
POLL_SECONDS = 2


@dataclass
class Runs:
    """The runs of an integration test.

    Attributes:
        file: File to store the runs in.
        until: Deadline on the monotonic clock; None to wait for the end.
        started: Run id by started job.
        going_on: Message about a run that is still active at the deadline; empty if there is none.
    """

    workspace: WorkspaceClient
    target: str
    jobs: dict[str, int]
    file: Path
    until: float | None
    started: dict[str, int] = field(default_factory=dict)
    going_on: str = ""

    def finish(self, job: str, **parameters: str) -> Run | None:
        """Return a job's successful run; start it unless an earlier session has.

        Returns:
            None if the run is still active at the deadline.
        """
        if job not in self.started:
            begun = self.workspace.jobs.run_now(self.jobs[job], job_parameters=parameters or None)
            self.started[job] = begun.run_id
            write_runs(self.file, self.target, self.started)
        number = self.started[job]
        shown = ""
        while True:
            run = self.workspace.jobs.get_run(number)
            if not shown:
                print(f"\n{job}: run {number}, {run.run_page_url}", flush=True)
            if (now := describe_progress(run)) != shown:
                shown = now
                print(f"  {shown}", flush=True)
            if run.state and run.state.life_cycle_state in ENDED:
                assert run.state.result_state == RunResultState.SUCCESS, self.explain(run)
                return run
            if self.until is not None and time.monotonic() > self.until:
                self.going_on = f"run {number} of {job} goes on; RESUME=1 waits for it"
                return None
            time.sleep(POLL_SECONDS)

    def explain(self, run: Run) -> str:
        """Return the error of each failed task of a run."""
        lines = [f"Run {run.run_id} did not succeed: {run.run_page_url}"]
        for task in run.tasks or []:
            if task.state is None or task.state.result_state != RunResultState.FAILED:
                continue
            lines.append(f"{task.task_key}: {task.state.state_message}")
            # Some types of tasks have no output.
            with suppress(DatabricksError):
                lines.append(self.workspace.jobs.get_run_output(task.run_id or 0).error or "")
        return "\n".join(lines)


def write_runs(file: Path, target: str, runs: dict[str, int]) -> None:
    """Store the run of each job."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"target": target, "runs": runs}))


def read_runs(file: Path, target: str) -> dict[str, int]:
    """Return the run of each job that an earlier session started."""
    again = f"Start again: make integration TARGET={target}"
    assert file.exists(), f"Nothing to resume: {file} is missing. {again}"
    kept = json.loads(file.read_text())
    assert kept["target"] == target, f"{file} is of target {kept['target']}. {again}"
    runs: dict[str, int] = kept["runs"]
    return runs


def describe_progress(run: Run) -> str:
    """Return the state of a run and of its tasks."""
    states = {task.task_key: task.state for task in run.tasks or []}
    tasks = (
        f"{key} {(state.result_state or state.life_cycle_state or RunLifeCycleState.PENDING).value}"
        for key, state in states.items()
        if state
    )
    return ", ".join(tasks)
