"""Runs a job's graph: what is ready starts, what failed is tried again, what follows waits."""

import json
import math
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

from ..workspace.state import State
from . import wheels
from .errors import JobError
from .graph import Job, Task, read_job
from .processes import Launcher, Process
from .records import RunRecord, close_interrupted, now, state_of
from .references import RunFacts, check_references, resolve_arguments, shown_arguments
from .surroundings import TASK_VALUES, Surroundings
from .task import TaskSpec

SUCCESS, FAILED, TIMED_OUT = "SUCCESS", "FAILED", "TIMEDOUT"
CANCELED, UPSTREAM_FAILED = "CANCELED", "UPSTREAM_FAILED"
CLOSE_SECONDS = 5.0


@dataclass
class Active:
    """A run under way; `deadline` is its job's time-out, on the monotonic clock."""

    job_id: int
    job: Job
    record: RunRecord
    paths: Mapping[str, list[str]]
    parameters: Mapping[str, str]
    deadline: float = math.inf
    canceled: threading.Event = field(default_factory=threading.Event)
    processes: dict[str, Process] = field(default_factory=dict)

    @property
    def remaining(self) -> float:
        """Seconds until the job's time-out."""
        return max(0.0, self.deadline - monotonic())

    def conclude(self, results: Mapping[str, str]) -> tuple[str, str]:
        """Return the run's result and what to say of it."""
        failed = [key for key, result in results.items() if result in (FAILED, TIMED_OUT)]
        if CANCELED in results.values():
            return CANCELED, "Canceled."
        if failed and not self.remaining:
            return TIMED_OUT, f"Took longer than the job's {self.job.timeout:g} s."
        return (FAILED, f"Failed: {', '.join(failed)}.") if failed else (SUCCESS, "")


class Runner:
    """Runs jobs in the workspace's process, their tasks in processes of their own.

    Args:
        state: Where runs are recorded.
        surroundings: Where the workspace is.
        find_file: Gives the file on disk behind a path of the workspace.
    """

    def __init__(
        self, state: State, surroundings: Surroundings, find_file: Callable[[str], Path]
    ) -> None:
        self._find_file = find_file
        self._state = state
        self._home = surroundings.home
        self._launcher = Launcher(surroundings)
        # What every task needs is imported while the workspace itself comes up.
        self._launcher.warm()
        self._lock = threading.Condition()
        self._active: dict[int, Active] = {}
        close_interrupted(state)

    @property
    def busy(self) -> bool:
        """Whether any run is under way."""
        return bool(self._active)

    def warm(self, folders: Iterable[str]) -> None:
        """Import ahead what the wheels in `folders` require."""
        self._launcher.warm(wheels.required_modules(folders))

    def submit(
        self,
        job_id: int,
        settings: Mapping[str, Any],
        parameters: Mapping[str, str],
        only: Iterable[str] = (),
    ) -> int:
        """Check a job whole, start it, and return the run's number.

        Raises:
            JobError: Anything that would stop the job later and can be known now.
        """
        job = read_job(settings)
        values = job.with_parameters(parameters)
        job = job.select(only)
        check_references(job)
        paths = wheels.prepare(job, self._home / "wheels", self._find_file)
        self.warm(sorted({folder for folders in paths.values() for folder in folders}))
        with self._lock:
            if not job.queue and len(self._runs_of(job_id)) >= job.most_runs:
                raise JobError(
                    f"Job '{job.name}' is running, may run {job.most_runs} times at once and has "
                    "no queue. Wait for its end, or cancel it."
                )
            record = RunRecord.begin(
                self._state, job_id, job, settings, values, self._home / "runs"
            )
            run = Active(job_id, job, record, paths, values)
            self._active[record.run_id] = run
        threading.Thread(target=self._run, args=(run,), daemon=True).start()
        return record.run_id

    def cancel(self, run_id: int) -> None:
        """End a run's tasks; one that has ended already is left as it is."""
        run = self._active.get(run_id)
        if run:
            run.canceled.set()
            for process in list(run.processes.values()):
                process.kill()
            with self._lock:
                self._lock.notify_all()

    def close(self) -> None:
        """End all runs and the processes behind them."""
        for run_id in list(self._active):
            self.cancel(run_id)
        with self._lock:
            self._lock.wait_for(lambda: not self._active, CLOSE_SECONDS)
        self._launcher.close()

    def _runs_of(self, job_id: int) -> list[Active]:
        """Return a job's runs that have not ended, the oldest first."""
        return [run for run in self._active.values() if run.job_id == job_id]

    def _may_start(self, run: Active) -> bool:
        first = self._runs_of(run.job_id)[: run.job.most_runs]
        return run.canceled.is_set() or any(other is run for other in first)

    def _run(self, run: Active) -> None:
        try:
            with self._lock:
                self._lock.wait_for(lambda: self._may_start(run))
            if run.job.timeout:
                run.deadline = monotonic() + run.job.timeout
            run.record.set_state("RUNNING")
            result, message = run.conclude(self._walk(run))
            # The life cycle in which Databricks leaves a run with a failed task.
            ending = "INTERNAL_ERROR" if result == FAILED else "TERMINATED"
            run.record.set_state(ending, result, message)
        except Exception as error:
            run.record.abandon(f"{type(error).__name__}: {error}")
            raise
        finally:
            with self._lock:
                del self._active[run.record.run_id]
                self._lock.notify_all()

    def _walk(self, run: Active) -> dict[str, str]:
        """Start each task when all it waits for have ended; return every task's result."""
        results: dict[str, str] = {}
        waiting = list(run.job.tasks)
        under_way: dict[Future[str], str] = {}
        with ThreadPoolExecutor(max_workers=len(waiting)) as pool:
            while waiting or under_way:
                for task in [t for t in waiting if set(t.depends_on) <= set(results)]:
                    waiting.remove(task)
                    if run.canceled.is_set():
                        results[task.key] = CANCELED
                        run.record.set_task(task.key, state=state_of("SKIPPED", CANCELED))
                    elif any(results[key] != SUCCESS for key in task.depends_on):
                        results[task.key] = UPSTREAM_FAILED
                        state = state_of("TERMINATED", UPSTREAM_FAILED)
                        run.record.set_task(task.key, state=state)
                    else:
                        under_way[pool.submit(self._attempt_all, run, task)] = task.key
                if not under_way:
                    continue
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    results[under_way.pop(future)] = future.result()
        return results

    def _attempt_all(self, run: Active, task: Task) -> str:
        """Run a task until it succeeds or has no attempt left."""
        record, started = run.record, now()
        for attempt in count():
            running = state_of("RUNNING")
            record.set_task(task.key, attempt_number=attempt, start_time=started, state=running)
            try:
                result, message = self._attempt(run, task, attempt)
            except JobError as error:
                result, message = FAILED, str(error)
                with Path(record.task(task.key)["log"]).open("a") as log:
                    log.write(f"{error}\n")
                break
            final = result == TIMED_OUT and not task.retry_on_timeout
            if final or result in (SUCCESS, CANCELED) or attempt == task.retries:
                break
            text = f"{message} The next attempt is in {task.retry_wait:g} s."
            record.set_task(task.key, state=state_of("WAITING_FOR_RETRY", message=text))
            if run.canceled.wait(min(task.retry_wait, run.remaining)):
                result, message = CANCELED, "Canceled."
                break
            if not run.remaining:
                break
        record.set_task(
            task.key,
            state=state_of("TERMINATED", result, message),
            end_time=now(),
            values=read_values(values_file(record, task)) if result == SUCCESS else {},
        )
        return result

    def _attempt(self, run: Active, task: Task, attempt: int) -> tuple[str, str]:
        """Run one attempt in a process; return its result and what to say of it."""
        record, known = run.record, run.record.task(task.key)
        facts = RunFacts(
            job_id=run.job_id,
            job_name=run.job.name,
            run_id=record.run_id,
            started=datetime.fromtimestamp(record.document["start_time"] / 1000, UTC),
            task_run_id=known["run_id"],
            attempt=attempt,
        )
        arguments = resolve_arguments(task, run.parameters, facts, record.task)
        shown = shown_arguments(known["python_wheel_task"], arguments)
        record.set_task(task.key, resolved_values={"python_wheel_task": shown})
        values = values_file(record, task)
        values.unlink(missing_ok=True)
        spec_file = values.with_name(f"{task.key}.{attempt}.json")
        TaskSpec(
            package=task.package,
            entry_point=task.entry_point,
            arguments=arguments,
            path=run.paths[task.key],
            environment={TASK_VALUES: str(values)},
            log=known["log"],
        ).write(spec_file)
        process = self._launcher.start(spec_file)
        run.processes[task.key] = process
        if run.canceled.is_set():
            process.kill()
        limit = min(task.timeout or math.inf, run.remaining)
        status = process.wait(None if limit == math.inf else limit)
        if status is None:
            process.kill()
            process.wait(None)
            return TIMED_OUT, f"Took longer than {limit:.3g} s and was stopped."
        if run.canceled.is_set():
            return CANCELED, "Canceled."
        if status < 0:
            names = {each.value: each.name for each in signal.Signals}
            return FAILED, f"Killed by {names.get(-status, f'signal {-status}')}."
        return (FAILED, "The entry point failed; see the log.") if status else (SUCCESS, "")


def values_file(record: RunRecord, task: Task) -> Path:
    """Return the file in which a task leaves its values."""
    return Path(record.task(task.key)["log"]).with_name(f"{task.key}.values.json")


def read_values(file: Path) -> dict[str, Any]:
    """Return the task values that a task left; none where it left none."""
    return dict(json.loads(file.read_text())) if file.exists() else {}
