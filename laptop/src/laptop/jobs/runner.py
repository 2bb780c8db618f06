"""The runner: validates jobs, limits concurrent runs, starts and ends them."""

import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..clock import now
from ..workspace.state import Document, State
from . import wheels
from .errors import JobError
from .execution import WAIT, Active, Execution
from .graph import Job, RunJob
from .outcomes import FAILED, conclude
from .processes import Launcher
from .records import (
    RUN,
    RunRecord,
    close_interrupted,
    has_ended,
    last_attempts,
    state_of,
    stored_attempts,
)
from .references import check_references
from .repairs import Repair, begin, facts_of, results_of
from .resolution import RunFacts
from .settings import read_job, select
from .task_environment import TaskEnvironment

TOKEN = "run_token"
ON_DEMAND, BY_TASK = "ONE_TIME", "RUN_JOB_TASK"
MOST_NESTED = 3
CLOSE_SECONDS = 5.0

FindSettings = Callable[[int], Mapping[str, Any] | None]


class Runner:
    """Runs jobs in the workspace's process, and their tasks in separate processes.

    Args:
        state: Storage for runs.
        environment: Location of the workspace.
        find_file: Returns the local file for a workspace path.
        find_settings: Returns the settings of a job by its id, or None.
    """

    def __init__(
        self,
        state: State,
        environment: TaskEnvironment,
        find_file: Callable[[str], Path],
        find_settings: FindSettings,
    ) -> None:
        self._find_file = find_file
        self._find_settings = find_settings
        self._state = state
        self._state_dir = environment.state_dir
        self._address = environment.address
        self._launcher = Launcher(environment)
        # Import the modules every task needs while the workspace starts.
        self._launcher.preload()
        self._lock = threading.Condition()
        self._tokens = threading.Lock()
        self._active: dict[int, Active] = {}
        close_interrupted(state)

    @property
    def busy(self) -> bool:
        """Whether any run is active."""
        return bool(self._active)

    def preload(self, folders: Iterable[str]) -> None:
        """Import the requirements of the wheels in `folders` in advance."""
        self._launcher.preload(wheels.required_modules(folders))

    def submit(
        self,
        job_id: int,
        settings: Mapping[str, Any],
        parameters: Mapping[str, str],
        only: Iterable[str] = (),
        *,
        queue: bool | None = None,
        token: str = "",
    ) -> int:
        """Validate a job, start it, and return the run's id.

        Args:
            job_id: The job.
            settings: Its settings.
            parameters: Values that override the parameters' defaults.
            only: The tasks to run; all if empty.
            queue: Whether to queue the run if too many are active; None for the job's setting.
            token: Idempotency token; a known one returns its run and starts none.

        Raises:
            JobError: The job has an error that can be found before it starts.
        """
        asked = {} if queue is None else {"queue": {"enabled": queue}}
        settings = {**settings, **asked}
        if not token:
            return self._start(job_id, settings, parameters, only).record.run_id
        with self._tokens:
            known = self._state.get(TOKEN, f"{job_id}.{token}")
            if known is None:
                run = self._start(job_id, settings, parameters, only)
                known = {"run_id": run.record.run_id}
                self._state.put(TOKEN, f"{job_id}.{token}", known)
            return int(known["run_id"])

    def repair(self, run_id: int, settings: Mapping[str, Any], asked: Repair) -> int:
        """Run tasks of an ended run again and return the repair's id.

        Args:
            run_id: The run.
            settings: The job's current settings.
            asked: The repair request.

        Raises:
            JobError: The request is invalid, or the run is active.
        """
        document = self._read_run(run_id)
        asked.check(document)
        keys = last_attempts(stored_attempts(self._state, run_id))
        chosen = select(settings, keys)
        job = read_job(chosen)
        paths = self._check(job, (document["job_id"],))
        given = {each["name"]: each["value"] for each in document["job_parameters"]}
        given = {k: v for k, v in given.items() if k in job.parameters} | dict(asked.parameters)
        values = job.with_parameters(given)
        self.preload(sorted({folder for folders in paths.values() for folder in folders}))
        with self._lock:
            # A run is recorded as ended shortly before it is removed from the active ones.
            self._lock.wait_for(lambda: run_id not in self._active, CLOSE_SECONDS)
            document = self._read_run(run_id)
            asked.check(document)
            attempts = stored_attempts(self._state, run_id)
            again = asked.choose(job, attempts)
            room = len(self._runs_of(document["job_id"])) < job.most_runs
            if not room and not job.queue:
                raise JobError(f"{job.most_runs} of '{job.name}' may run at once. {WAIT}")
            number = self._state.count("repair")
            started = begin(document, attempts, number, state_of("PENDING" if room else "QUEUED"))
            facts = facts_of(started, self._address)
            for name in values.keys() - given.keys():
                values[name] = facts.resolve(values[name])
            started["job_parameters"] = [{"name": k, "value": v} for k, v in values.items()]
            record = RunRecord.reopen(self._state, self._state_dir, started, job, chosen, again)
            results = {k: v for k, v in results_of(attempts).items() if k not in again}
            run = self._active[run_id] = Active(job, record, facts, values, paths, results)
        threading.Thread(target=self._run, args=(run,), daemon=True).start()
        return number

    def cancel(self, run_id: int) -> None:
        """Cancel a run; do nothing if it has ended."""
        run = self._active.get(run_id)
        if run:
            run.scope.stop()

    def cancel_attempt(self, run_id: int, attempt_id: int) -> bool:
        """Cancel one task of a run; return whether it was running."""
        run = self._active.get(run_id)
        scope = run.attempts.get(attempt_id) if run else None
        if scope:
            scope.stop()
        return scope is not None

    def close(self) -> None:
        """Cancel all runs and stop their processes."""
        for run_id in list(self._active):
            self.cancel(run_id)
        with self._lock:
            self._lock.wait_for(lambda: not self._active, CLOSE_SECONDS)
        self._launcher.close()

    def _read_run(self, run_id: int) -> Document:
        run = self._state.get(RUN, f"{run_id:09d}")
        if run is None or not has_ended(run):
            raise JobError(f"Run {run_id} is in progress, or gone. Wait for its end.")
        return run

    def _start(
        self,
        job_id: int,
        settings: Mapping[str, Any],
        parameters: Mapping[str, str],
        only: Iterable[str] = (),
        trigger: str = ON_DEMAND,
        **more: Any,
    ) -> Active:
        """Validate a job and start it; `more` is added to the run's document."""
        job = read_job(select(settings, only))
        values = job.with_parameters(parameters)
        paths = self._check(job, (job_id,))
        self.preload(sorted({folder for folders in paths.values() for folder in folders}))
        started = now()
        number = self._state.count("run")
        facts = RunFacts(job_id, job.name, number, started, trigger, self._address)
        for name in job.parameters.keys() - parameters.keys():
            values[name] = facts.resolve(values[name])
        with self._lock:
            room = len(self._runs_of(job_id)) < job.most_runs
            record = RunRecord.create(
                self._state,
                facts,
                job,
                settings,
                self._state_dir,
                queued=not room,
                job_parameters=[{"name": k, "value": v} for k, v in values.items()],
                **more,
            )
            run = Active(job, record, facts, values, paths)
            if room or job.queue:
                self._active[facts.run_id] = run
        if room or job.queue:
            threading.Thread(target=self._run, args=(run,), daemon=True).start()
        else:
            run.skip()
        return run

    def _check(self, job: Job, above: tuple[int, ...]) -> dict[str, list[str]]:
        """Validate a job and the jobs that it runs.

        Args:
            job: The job.
            above: Ids of the job and the jobs that run it.

        Returns:
            For each wheel task the folders to put first on its path.
        """
        check_references(job)
        paths = wheels.prepare(job, self._state_dir / "wheels", self._find_file)
        for task in job.walk():
            if isinstance(task.work, RunJob):
                self._check_child(task.key, task.work, above)
        return paths

    def _check_child(self, task: str, work: RunJob, above: tuple[int, ...]) -> None:
        if work.job_id in above:
            circle = " → ".join(map(str, (*above, work.job_id)))
            raise JobError(f"Task '{task}' runs a job that waits for it: jobs {circle}.")
        if len(above) > MOST_NESTED:
            raise JobError(
                f"Task '{task}' runs a job inside {MOST_NESTED} others, which is as deep as "
                "run_job_task goes."
            )
        child = self._read_child(task, work.job_id)
        try:
            job = read_job(child)
            job.with_parameters(work.parameters)
            self._check(job, (*above, work.job_id))
        except JobError as error:
            raise JobError(f"Task '{task}', job {work.job_id}: {error}") from None

    def _read_child(self, task: str, job_id: int) -> Mapping[str, Any]:
        settings = self._find_settings(job_id)
        if settings is None:
            raise JobError(f"Task '{task}' runs job {job_id}, which does not exist.")
        return settings

    def _start_child(self, task: str, work: RunJob, attempt_id: int) -> Active:
        settings = self._read_child(task, work.job_id)
        info = {"trigger_info": {"run_id": attempt_id}}
        return self._start(work.job_id, settings, work.parameters, trigger=BY_TASK, **info)

    def _runs_of(self, job_id: int) -> list[Active]:
        """Return a job's active runs, the oldest first."""
        return [run for run in self._active.values() if run.facts.job_id == job_id]

    def _may_start(self, run: Active) -> bool:
        first = self._runs_of(run.facts.job_id)[: run.job.most_runs]
        return run.scope.stopped or any(other is run for other in first)

    def _wake(self) -> None:
        with self._lock:
            self._lock.notify_all()

    def _run(self, run: Active) -> None:
        try:
            with run.scope.ending(self._wake), self._lock:
                self._lock.wait_for(lambda: self._may_start(run))
            run.record.set(state=state_of("RUNNING"))
            with run.scope.narrow(run.job.timeout) as scope:
                results = Execution(run, self._launcher, self._start_child).walk(scope)
                over = not scope.remaining
            result, message = conclude(run.job, results, stopped=run.scope.stopped, timed_out=over)
            # Databricks sets this life cycle for runs with a failed task.
            ending = "INTERNAL_ERROR" if result == FAILED else "TERMINATED"
            run.record.finish(ending, result, message)
        except Exception as error:
            run.record.abandon(f"{type(error).__name__}: {error}")
            raise
        finally:
            with self._lock:
                del self._active[run.facts.run_id]
                self._lock.notify_all()
            run.ended.set()
