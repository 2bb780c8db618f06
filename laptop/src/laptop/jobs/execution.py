"""Execution of one run: task scheduling, retries and waiting."""

import json
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from .errors import JobError
from .graph import Condition, ForEach, Job, RunJob, Task, Wheel
from .outcomes import (
    CANCELED,
    FAILED,
    SUCCESS,
    TIMED_OUT,
    TOO_MANY,
    WITH_FAILURES,
    compare,
    judge,
)
from .processes import Launcher
from .records import AttemptRecord, RunRecord
from .resolution import Context, RunFacts, shown_arguments
from .scope import Scope
from .task import TaskSpec
from .task_environment import TASK_VALUES

WAIT = "Wait for the end of what runs, cancel it, or give the job a queue."
Result = tuple[str, str]
"""A result and what to say of it."""


@dataclass
class Active:
    """A run under way, or one that has ended.

    `kept` holds the results of the tasks that a repair does not run again.
    """

    job: Job
    record: RunRecord
    facts: RunFacts
    parameters: Mapping[str, str]
    paths: Mapping[str, list[str]]
    kept: Mapping[str, str] = field(default_factory=dict)
    scope: Scope = field(default_factory=Scope)
    attempts: dict[int, Scope] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)

    def skip(self) -> None:
        """Skip the run: too many runs of the job are active."""
        for record in self.record.tasks.values():
            record.skip(TOO_MANY)
        most, name = self.job.most_runs, self.job.name
        text = f"{most} of '{name}' may run at once and it has no queue. {WAIT}"
        self.record.finish("SKIPPED", TOO_MANY, text)
        self.ended.set()


StartJob = Callable[[str, RunJob, int], Active]
"""Starts another job for a task, whose attempt has that number."""


class Execution:
    """Runs the tasks of a run.

    Args:
        run: The run.
        launcher: Starts the processes of its tasks.
        start_job: Starts the jobs that its tasks run.
    """

    def __init__(self, run: Active, launcher: Launcher, start_job: StartJob) -> None:
        self._run = run
        self._launcher = launcher
        self._start_job = start_job

    def walk(self, scope: Scope) -> dict[str, str]:
        """Start each task when its dependencies have ended; return every task's result."""
        records = self._run.record.tasks
        results = dict(self._run.kept)
        outcomes = {key: outcome_of(records[key]) for key in results}
        waiting = [task for task in self._run.job.tasks if task.key not in results]
        under_way: dict[Future[str], str] = {}
        with ThreadPoolExecutor(max_workers=len(waiting)) as pool:
            while waiting or under_way:
                for task in [t for t in waiting if t.before <= set(results)]:
                    waiting.remove(task)
                    verdict = judge(task, results, outcomes)
                    if scope.stopped:
                        verdict = CANCELED, "Canceled."
                    if verdict:
                        results[task.key] = verdict[0]
                        records[task.key].finish(*verdict)
                    else:
                        begun = pool.submit(self.run_task, task, records[task.key], scope)
                        under_way[begun] = task.key
                if not under_way:
                    continue
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    key = under_way.pop(future)
                    results[key] = future.result()
                    outcomes[key] = outcome_of(records[key])
        return results

    def run_task(
        self, task: Task, record: AttemptRecord, scope: Scope, item: tuple[Any, ...] = ()
    ) -> str:
        """Run a task until it succeeds or has no retries left; return its result."""
        with scope.narrow() as own:
            while True:
                began = monotonic()
                result, message, again = self._run_once(task, record, own, item)
                if not again or own.stopped or not own.remaining:
                    break
                attempt = record.document["attempt_number"]
                if attempt - record.first == task.retries:
                    break
                record.finish(result, message)
                pause = max(0.0, task.retry_wait - (monotonic() - began))
                record.again(f"Starts in {pause:.3g} s.")
                self._run.attempts[record.document["run_id"]] = own
                own.pause(pause)
        values = read_values(record.values_file) if result == SUCCESS else {}
        record.finish(result, message, values)
        return result

    def _run_once(
        self, task: Task, record: AttemptRecord, own: Scope, item: tuple[Any, ...]
    ) -> tuple[str, str, bool]:
        """Run one attempt; return its result, its message and whether it can be retried."""
        if own.stopped:
            return CANCELED, "Canceled.", False
        if not own.remaining:
            return TIMED_OUT, "There was no time left for it.", False
        self._run.attempts[record.document["run_id"]] = own
        record.start()
        context = Context(
            task=task.key,
            run=self._run.facts,
            parameters=self._run.parameters,
            of_task=lambda key: self._run.record.tasks[key].document,
            attempt=record.document,
            item=item,
            first=record.first,
        )
        try:
            with own.narrow(task.timeout) as scope:
                result, message = self._work(task, record, scope, context)
        except JobError as error:
            with record.log.open("a") as log:
                log.write(f"{error}\n")
            return FAILED, str(error), False
        again = result == FAILED or (result == TIMED_OUT and task.retry_on_timeout)
        return result, message, again

    def _work(self, task: Task, record: AttemptRecord, scope: Scope, context: Context) -> Result:
        match task.work:
            case Wheel() as wheel:
                path = self._run.paths[task.key]
                return self._run_wheel(wheel, path, record, scope, context)
            case Condition() as condition:
                return evaluate(task, condition, record, context)
            case RunJob() as job:
                return self._run_job(task.key, job, record, scope, context)
            case ForEach() as loop:
                return self._run_each(loop, record, scope, context)

    def _run_wheel(
        self, wheel: Wheel, path: list[str], record: AttemptRecord, scope: Scope, context: Context
    ) -> Result:
        """Call an entry point in a new process."""
        arguments = [context.resolve(argument) for argument in wheel.arguments]
        shown = shown_arguments(record.document["python_wheel_task"], arguments)
        record.set(resolved_values={"python_wheel_task": shown})
        record.values_file.unlink(missing_ok=True)
        spec_file = record.log.with_suffix(".json")
        TaskSpec(
            package=wheel.package,
            entry_point=wheel.entry_point,
            arguments=arguments,
            path=path,
            environment={TASK_VALUES: str(record.values_file)},
            log=str(record.log),
        ).write(spec_file)
        process = self._launcher.start(spec_file)
        limit = scope.limit
        with scope.ending(process.kill):
            status = process.wait(limit)
            if status is None:
                process.kill()
                process.wait(None)
                return TIMED_OUT, f"Took longer than {limit:.3g} s and was stopped."
        if scope.stopped:
            return CANCELED, "Canceled."
        if status < 0:
            names = {each.value: each.name for each in signal.Signals}
            return FAILED, f"Killed by {names.get(-status, f'signal {-status}')}."
        return (FAILED, "The entry point failed; see the log.") if status else (SUCCESS, "")

    def _run_job(
        self, task: str, work: RunJob, record: AttemptRecord, scope: Scope, context: Context
    ) -> Result:
        """Run another job and wait until it ends."""
        parameters = {name: context.resolve(text) for name, text in work.parameters.items()}
        record.set(resolved_values={"run_job_task": {"parameters": parameters}})
        child = self._start_job(task, RunJob(work.job_id, parameters), record.document["run_id"])
        number, name = child.record.run_id, child.job.name
        record.set(child_run_id=number)
        with scope.ending(child.scope.stop):
            if not child.ended.wait(scope.limit):
                child.scope.stop()
                child.ended.wait()
                return TIMED_OUT, f"Run {number} of '{name}' took too long and was stopped."
        if scope.stopped:
            return CANCELED, "Canceled."
        state = child.record.document["state"]
        if state["result_state"] in (SUCCESS, WITH_FAILURES):
            return SUCCESS, state.get("state_message", "")
        text = state.get("state_message", "")
        return FAILED, f"Run {number} of '{name}' ended {state['result_state']}. {text}".rstrip()

    def _run_each(
        self, loop: ForEach, record: AttemptRecord, scope: Scope, context: Context
    ) -> Result:
        """Run a task for each item of a list, with limited concurrency."""
        items = context.items(loop)
        records = record.iterate(loop.task, items)
        with ThreadPoolExecutor(max_workers=loop.concurrency) as pool:
            results = list(
                pool.map(
                    lambda item, each: self.run_task(loop.task, each, scope, (item,)),
                    items,
                    records,
                )
            )
        if scope.stopped:
            return CANCELED, "Canceled."
        bad = sum(result != SUCCESS for result in results)
        if bad and not scope.remaining:
            return TIMED_OUT, f"{bad} of {len(items)} iterations did not end in time."
        if bad:
            return FAILED, f"{bad} of {len(items)} iterations failed."
        return SUCCESS, f"{len(items)} iterations."


def evaluate(task: Task, condition: Condition, record: AttemptRecord, context: Context) -> Result:
    """Compare a condition's operands and record the outcome."""
    left, right = context.operands(condition)
    record.set(resolved_values={"condition_task": {"left": left, "right": right}})
    outcome = str(compare(task.key, left, condition.op, right)).lower()
    record.set(condition_task=record.document["condition_task"] | {"outcome": outcome})
    return SUCCESS, ""


def outcome_of(record: AttemptRecord) -> str:
    """Return a condition's outcome; empty for any other task."""
    return str((record.document.get("condition_task") or {}).get("outcome", ""))


def read_values(file: Path) -> dict[str, Any]:
    """Return a task's values; empty if it set none."""
    return dict(json.loads(file.read_text())) if file.exists() else {}
