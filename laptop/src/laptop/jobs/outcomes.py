"""Results of tasks and runs, and whether a task runs after its dependencies."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from .errors import JobError
from .graph import Job, RunIf, Task

SUCCESS, FAILED, TIMED_OUT, CANCELED = "SUCCESS", "FAILED", "TIMEDOUT", "CANCELED"
EXCLUDED, UPSTREAM_FAILED, UPSTREAM_CANCELED = "EXCLUDED", "UPSTREAM_FAILED", "UPSTREAM_CANCELED"
WITH_FAILURES, TOO_MANY = "SUCCESS_WITH_FAILURES", "MAXIMUM_CONCURRENT_RUNS_REACHED"

BROKEN = frozenset({FAILED, TIMED_OUT, UPSTREAM_FAILED})
STOPPED = frozenset({CANCELED, UPSTREAM_CANCELED})
# Excluded tasks count as successful.
GOOD = frozenset({SUCCESS, EXCLUDED})

TERMINATION = {
    SUCCESS: ("SUCCESS", "SUCCESS"),
    WITH_FAILURES: ("SUCCESS_WITH_FAILURES", "SUCCESS"),
    FAILED: ("RUN_EXECUTION_ERROR", "CLIENT_ERROR"),
    TIMED_OUT: ("CANCELED", "CLIENT_ERROR"),
    CANCELED: ("USER_CANCELED", "CLIENT_ERROR"),
    EXCLUDED: ("SKIPPED", "CLIENT_ERROR"),
    UPSTREAM_FAILED: ("SKIPPED", "CLIENT_ERROR"),
    UPSTREAM_CANCELED: ("SKIPPED", "CLIENT_ERROR"),
    TOO_MANY: ("MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR"),
}

MET: Mapping[RunIf, Callable[[Sequence[str]], bool]] = {
    RunIf.ALL_SUCCESS: lambda found: all(each in GOOD for each in found),
    RunIf.ALL_DONE: lambda _: True,
    RunIf.NONE_FAILED: lambda found: not any(each in BROKEN | STOPPED for each in found),
    RunIf.AT_LEAST_ONE_SUCCESS: lambda found: any(each in GOOD for each in found),
    RunIf.ALL_FAILED: lambda found: all(each in BROKEN | STOPPED for each in found),
    RunIf.AT_LEAST_ONE_FAILED: lambda found: any(each in BROKEN | STOPPED for each in found),
}
HANDLERS = (RunIf.ALL_FAILED, RunIf.AT_LEAST_ONE_FAILED)


def judge(
    task: Task, results: Mapping[str, str], outcomes: Mapping[str, str]
) -> tuple[str, str] | None:
    """Decide whether a task runs after its dependencies have ended.

    Args:
        task: The task.
        results: The results of the tasks before it.
        outcomes: Outcomes of the conditions among them.

    Returns:
        None if the task runs, else its result and the reason.
    """
    found = {each.key: results[each.key] for each in task.depends_on}
    if not found:
        return None
    if set(found.values()) == {EXCLUDED}:
        return EXCLUDED, "All tasks before it are excluded."
    for needed in task.depends_on:
        outcome = outcomes.get(needed.key)
        if needed.outcome and results[needed.key] in GOOD and outcome != needed.outcome:
            return EXCLUDED, f"'{needed.key}' is {outcome or 'excluded'}."
    if MET[task.run_if](list(found.values())):
        return None
    if task.run_if in HANDLERS:
        return EXCLUDED, f"{task.run_if} does not hold."
    bad = [key for key, result in found.items() if result in BROKEN]
    if bad:
        return UPSTREAM_FAILED, f"Failed before it: {', '.join(bad)}."
    stopped = [key for key, result in found.items() if result in STOPPED]
    return UPSTREAM_CANCELED, f"Canceled before it: {', '.join(stopped)}."


def conclude(
    job: Job, results: Mapping[str, str], *, stopped: bool, timed_out: bool
) -> tuple[str, str]:
    """Return a run's result, which its leaf tasks determine, and its message.

    Args:
        job: The job as it ran.
        results: Every task's result.
        stopped: Whether the run was canceled.
        timed_out: Whether the job's timeout has passed.
    """
    failed = [key for key, result in results.items() if result in (FAILED, TIMED_OUT)]
    leaves = {results[key] for key in job.leaves}
    if stopped:
        return CANCELED, "Canceled."
    if leaves & BROKEN and timed_out:
        return TIMED_OUT, f"Took longer than the job's {job.timeout:g} s."
    if leaves & BROKEN:
        return FAILED, f"Failed: {', '.join(failed)}."
    if leaves & STOPPED:
        ended = [key for key, result in results.items() if result == CANCELED]
        return CANCELED, f"Canceled: {', '.join(ended)}."
    if failed:
        return WITH_FAILURES, f"Succeeded, though these failed: {', '.join(failed)}."
    return SUCCESS, ""


def compare(task: str, left: str, op: str, right: str) -> bool:
    """Compare two operands: as text for `==` and `!=`, else as numbers."""
    if op in ("EQUAL_TO", "NOT_EQUAL"):
        return (left == right) == (op == "EQUAL_TO")
    first, second = (read_number(task, op, text) for text in (left, right))
    return {
        "GREATER_THAN": first > second,
        "GREATER_THAN_OR_EQUAL": first >= second,
        "LESS_THAN": first < second,
        "LESS_THAN_OR_EQUAL": first <= second,
    }[op]


def read_number(task: str, op: str, text: str) -> Decimal:
    """Return an operand as a number."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise JobError(f"Task '{task}': {op} compares numbers, got '{text}'.")
    return number


def error_code(result: str) -> str:
    """Return the value of `{{tasks.<key>.error_code}}`; empty if there is no error."""
    if result in GOOD:
        return ""
    return TERMINATION[result][0].title().replace("_", "")
