"""Runs a job's graph: what is ready starts, what failed is tried again, what follows waits."""

import json
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from ..workspace.state import State
from . import wheels
from .errors import JobError
from .graph import Job, Task, read_job
from .processes import Launcher, Process
from .records import RunRecord, close_interrupted, now, state_of
from .references import RunFacts, check_references, resolve_arguments
from .surroundings import TASK_VALUES, Surroundings
from .task import TaskSpec

SUCCESS, FAILED, TIMED_OUT = "SUCCESS", "FAILED", "TIMEDOUT"
CANCELED, UPSTREAM_FAILED = "CANCELED", "UPSTREAM_FAILED"


@dataclass
class Active:
    """A run under way."""

    job: Job
    record: RunRecord
    paths: Mapping[str, list[str]]
    parameters: Mapping[str, str]
    deadline: float | None
    canceled: threading.Event = field(default_factory=threading.Event)
    processes: dict[str, Process] = field(default_factory=dict)


class Runner:
    """Runs jobs in the workspace's process, their tasks in processes of their own.

    Args:
        state: Where runs are recorded.
        surroundings: Where the workspace is.
    """

    def __init__(self, state: State, surroundings: Surroundings) -> None:
        self._state = state
        self._home = surroundings.home
        self._launcher = Launcher(surroundings)
        self._lock = threading.Condition()
        self._active: dict[int, Active] = {}
        self._running: dict[int, int] = {}
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
        paths = wheels.prepare(job, self._home / "wheels")
        self.warm(sorted({folder for folders in paths.values() for folder in folders}))
        with self._lock:
            if not job.queue and self._running.get(job_id, 0) >= job.most_runs:
                raise JobError(
                    f"Job '{job.name}' runs already {job.most_runs} times and has no queue."
                )
            record = RunRecord.begin(self._state, job_id, job, values, self._home / "runs")
            deadline = monotonic() + job.timeout if job.timeout else None
            run = Active(job, record, paths, values, deadline)
            self._active[record.run_id] = run
        threading.Thread(target=self._run, args=(run, job_id), daemon=True).start()
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
        self._launcher.close()

    def _run(self, run: Active, job_id: int) -> None:
        with self._lock:
            while self._running.get(job_id, 0) >= run.job.most_runs and not run.canceled.is_set():
                self._lock.wait()
            self._running[job_id] = self._running.get(job_id, 0) + 1
        try:
            run.record.set_state("RUNNING")
            results = self._walk(run)
            failed = [key for key, result in results.items() if result in (FAILED, TIMED_OUT)]
            if run.canceled.is_set():
                run.record.set_state("TERMINATED", CANCELED, "Canceled.")
            elif failed:
                run.record.set_state("TERMINATED", FAILED, f"Failed: {', '.join(failed)}.")
            else:
                run.record.set_state("TERMINATED", SUCCESS)
        except Exception as error:
            run.record.set_state("INTERNAL_ERROR", FAILED, f"{type(error).__name__}: {error}")
            raise
        finally:
            with self._lock:
                self._running[job_id] -= 1
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
        started = now()
        result, message = FAILED, ""
        for attempt in range(task.retries + 1):
            run.record.set_task(
                task.key,
                attempt_number=attempt,
                start_time=started,
                state=state_of("RUNNING"),
            )
            try:
                result, message = self._attempt(run, task, attempt)
            except JobError as error:
                result, message = FAILED, str(error)
                with Path(run.record.task(task.key)["log"]).open("a") as log:
                    log.write(f"{error}\n")
                break
            stop = result == TIMED_OUT and not task.retry_on_timeout
            if result in (SUCCESS, CANCELED) or stop or attempt == task.retries:
                break
            if run.canceled.wait(task.retry_wait):
                result = CANCELED
                break
        values = read_values(run.record.folder(task.key) / f"{task.key}.values.json")
        run.record.set_task(
            task.key,
            state=state_of("TERMINATED", result, message),
            end_time=now(),
            values=values if result == SUCCESS else {},
        )
        return result

    def _attempt(self, run: Active, task: Task, attempt: int) -> tuple[str, str]:
        """Run one attempt in a process; return its result and what to say of it."""
        record = run.record
        facts = RunFacts(
            job_id=int(record.document["job_id"]),
            run_id=record.run_id,
            started=datetime.fromtimestamp(record.document["start_time"] / 1000, UTC),
            task_run_id=int(record.task(task.key)["run_id"]),
            attempt=attempt,
        )
        of_task = lambda key: {  # noqa: E731
            "values": record.task(key)["values"],
            "result_state": record.task(key)["state"].get("result_state", ""),
            "run_id": record.task(key)["run_id"],
        }
        arguments = resolve_arguments(task, run.parameters, facts, run.job.name, of_task)
        folder = record.folder(task.key)
        values = folder / f"{task.key}.values.json"
        values.unlink(missing_ok=True)
        spec_file = folder / f"{task.key}.{attempt}.json"
        TaskSpec(
            package=task.package,
            entry_point=task.entry_point,
            arguments=arguments,
            path=run.paths[task.key],
            environment={TASK_VALUES: str(values)},
            log=record.task(task.key)["log"],
        ).write(spec_file)
        process = self._launcher.start(spec_file)
        run.processes[task.key] = process
        if run.canceled.is_set():
            process.kill()
        limits = [task.timeout] if task.timeout else []
        if run.deadline is not None:
            limits.append(max(0.0, run.deadline - monotonic()))
        status = process.wait(min(limits) if limits else None)
        if status is None:
            process.kill()
            process.wait(None)
            return TIMED_OUT, f"Took longer than {min(limits):.0f} s and was stopped."
        if run.canceled.is_set():
            return CANCELED, "Canceled."
        if status < 0:
            return FAILED, f"Killed by signal {-status}."
        return (FAILED, "The entry point failed; see the log.") if status else (SUCCESS, "")


def read_values(file: Path) -> dict[str, Any]:
    """Return the task values that a task left; none where it left none."""
    return dict(json.loads(file.read_text())) if file.exists() else {}
