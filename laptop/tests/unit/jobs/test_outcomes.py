from typing import Any

import pytest
from laptop.jobs.errors import JobError
from laptop.jobs.graph import Dependency, Job, RunIf, Task, Wheel
from laptop.jobs.outcomes import compare, conclude, error_code, judge

NAMES = {
    "S": "SUCCESS",
    "F": "FAILED",
    "T": "TIMEDOUT",
    "C": "CANCELED",
    "E": "EXCLUDED",
    "U": "UPSTREAM_FAILED",
    "V": "UPSTREAM_CANCELED",
}


def task(key: str, *after: str, run_if: RunIf = RunIf.ALL_SUCCESS, **outcomes: str) -> Task:
    waits = tuple(Dependency(each, outcomes.get(each)) for each in after)
    return Task(key, waits, run_if, Wheel("toy", "run", (), ()), 0, 0, False, 0)


def job(*tasks: Task) -> Job:
    return Job("night", tasks, {}, 60.0, 1, False)


# Before it: one letter a task. What follows: what becomes of the task, R where it runs.
@pytest.mark.parametrize(
    ("before", "success", "done", "none", "one", "all_failed", "one_failed"),
    [
        ("S", "R", "R", "R", "R", "E", "E"),
        ("SS", "R", "R", "R", "R", "E", "E"),
        ("F", "U", "R", "U", "U", "R", "R"),
        ("T", "U", "R", "U", "U", "R", "R"),
        ("U", "U", "R", "U", "U", "R", "R"),
        ("FF", "U", "R", "U", "U", "R", "R"),
        ("SF", "U", "R", "U", "R", "E", "R"),
        ("C", "V", "R", "V", "V", "R", "R"),
        ("V", "V", "R", "V", "V", "R", "R"),
        ("CF", "U", "R", "U", "U", "R", "R"),
        ("SC", "V", "R", "V", "R", "E", "R"),
        ("E", "E", "E", "E", "E", "E", "E"),
        ("EE", "E", "E", "E", "E", "E", "E"),
        ("ES", "R", "R", "R", "R", "E", "E"),
        ("EF", "U", "R", "U", "R", "E", "R"),
        ("EC", "V", "R", "V", "R", "E", "R"),
    ],
)
def test_run_if_decides_by_how_those_before_ended(
    before: str, success: str, done: str, none: str, one: str, all_failed: str, one_failed: str
) -> None:
    expected = {
        RunIf.ALL_SUCCESS: success,
        RunIf.ALL_DONE: done,
        RunIf.NONE_FAILED: none,
        RunIf.AT_LEAST_ONE_SUCCESS: one,
        RunIf.ALL_FAILED: all_failed,
        RunIf.AT_LEAST_ONE_FAILED: one_failed,
    }
    keys = [f"t{number}" for number in range(len(before))]
    results = {key: NAMES[letter] for key, letter in zip(keys, before, strict=True)}
    for run_if, letter in expected.items():
        verdict = judge(task("x", *keys, run_if=run_if), results, {})
        assert (verdict and verdict[0]) == NAMES.get(letter), run_if


def test_a_task_that_waits_for_nothing_runs() -> None:
    assert judge(task("x"), {"a": "FAILED"}, {}) is None


@pytest.mark.parametrize("run_if", list(RunIf))
@pytest.mark.parametrize(("came_to", "runs"), [("true", True), ("false", False)])
def test_an_outcome_that_is_not_met_excludes_whatever_run_if_says(
    run_if: RunIf, came_to: str, runs: bool
) -> None:
    waiting = task("x", "check", "other", run_if=run_if, check="true")
    verdict = judge(waiting, {"check": "SUCCESS", "other": "FAILED"}, {"check": came_to})
    if not runs:
        assert verdict == ("EXCLUDED", "'check' is false.")
    else:
        assert verdict == judge(
            task("x", "check", "other", run_if=run_if), {"check": "SUCCESS", "other": "FAILED"}, {}
        )


def test_of_a_condition_that_failed_no_outcome_is_asked() -> None:
    verdict = judge(task("x", "check", check="true"), {"check": "FAILED"}, {})
    assert verdict == ("UPSTREAM_FAILED", "Failed before it: check.")


def test_of_an_excluded_condition_no_outcome_is_met() -> None:
    waiting = task("x", "check", "other", check="true")
    verdict = judge(waiting, {"check": "EXCLUDED", "other": "SUCCESS"}, {})
    assert verdict == ("EXCLUDED", "'check' is excluded.")


CHAIN = job(task("a"), task("b", "a"), task("c", "a"))


@pytest.mark.parametrize(
    ("letters", "given", "result", "message"),
    [
        ("SSS", {}, "SUCCESS", ""),
        ("SSE", {}, "SUCCESS", ""),
        ("SEE", {}, "SUCCESS", ""),
        ("SSF", {}, "FAILED", "Failed: c."),
        ("SST", {}, "FAILED", "Failed: c."),
        ("FUU", {}, "FAILED", "Failed: a."),
        ("FSU", {}, "FAILED", "Failed: a."),
        ("FSS", {}, "SUCCESS_WITH_FAILURES", "Succeeded, though these failed: a."),
        ("FSE", {}, "SUCCESS_WITH_FAILURES", "Succeeded, though these failed: a."),
        ("SSC", {}, "CANCELED", "Canceled: c."),
        ("CVS", {}, "CANCELED", "Canceled: a."),
        ("SCF", {}, "FAILED", "Failed: c."),
        ("CSS", {}, "SUCCESS", ""),
        ("SST", {"timed_out": True}, "TIMEDOUT", "Took longer than the job's 60 s."),
        ("SSS", {"timed_out": True}, "SUCCESS", ""),
        ("SFC", {"stopped": True}, "CANCELED", "Canceled."),
    ],
)
def test_the_leaves_decide_how_a_run_ends(
    letters: str, given: dict[str, Any], result: str, message: str
) -> None:
    results = {key: NAMES[letter] for key, letter in zip("abc", letters, strict=True)}
    facts = {"stopped": False, "timed_out": False, **given}
    assert conclude(CHAIN, results, **facts) == (result, message)


@pytest.mark.parametrize(
    ("left", "op", "right", "outcome"),
    [
        ("12.0", "EQUAL_TO", "12", False),
        ("true", "EQUAL_TO", "true", True),
        ("12.0", "NOT_EQUAL", "12", True),
        ("a", "NOT_EQUAL", "a", False),
        ("12.0", "GREATER_THAN_OR_EQUAL", "12", True),
        ("10.0", "GREATER_THAN_OR_EQUAL", "12", False),
        ("9", "LESS_THAN", "10", True),
        ("10", "LESS_THAN", "10", False),
        ("10", "LESS_THAN_OR_EQUAL", "10", True),
        ("1e2", "GREATER_THAN", "-5", True),
        ("12", "GREATER_THAN", "12", False),
    ],
)
def test_equality_compares_text_and_the_others_numbers(
    left: str, op: str, right: str, outcome: bool
) -> None:
    assert compare("check", left, op, right) is outcome


@pytest.mark.parametrize("text", ["", "many", "nan", "inf", "true"])
def test_what_is_no_number_cannot_be_less(text: str) -> None:
    with pytest.raises(JobError, match=f"'check': LESS_THAN compares numbers, got '{text}'"):
        compare("check", "1", "LESS_THAN", text)


def test_an_error_has_a_code_and_success_has_none() -> None:
    codes = {result: error_code(result) for result in NAMES.values()}
    assert codes == {
        "SUCCESS": "",
        "EXCLUDED": "",
        "FAILED": "RunExecutionError",
        "TIMEDOUT": "Canceled",
        "CANCELED": "UserCanceled",
        "UPSTREAM_FAILED": "Skipped",
        "UPSTREAM_CANCELED": "Skipped",
    }
