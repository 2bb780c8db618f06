from typing import Any

import pytest
from laptop.jobs.errors import JobError
from laptop.jobs.repairs import Repair, begin, facts_of, history
from laptop.jobs.settings import read_job

ONE = {"left": "1", "op": "EQUAL_TO", "right": "1"}
BEFORE = {"first": (), "check": ("first",), "last": ("check",), "side": ("first",)}
JOB = read_job(
    {
        "tasks": [
            {"task_key": k, "depends_on": [{"task_key": d} for d in v], "condition_task": ONE}
            for k, v in BEFORE.items()
        ]
    }
)
RUN: dict[str, Any] = {
    "run_id": 5,
    "job_id": 2,
    "run_name": "job",
    "trigger": "ONE_TIME",
    "start_time": 1000,
    "end_time": 2000,
    "state": {"life_cycle_state": "INTERNAL_ERROR", "result_state": "FAILED"},
}


def attempts(**results: str) -> list[dict[str, Any]]:
    return [
        {"task_key": key, "run_id": number, "state": {"result_state": result}}
        for number, (key, result) in enumerate(results.items(), start=1)
    ]


HELD_UP = {"first": "SUCCESS", "check": "FAILED", "last": "UPSTREAM_FAILED", "side": "SUCCESS"}


@pytest.mark.parametrize(
    ("asked", "results", "again"),
    [
        (Repair(all_failed=True), {}, "check last"),
        (Repair(tasks=["check"]), {}, "check last"),
        (Repair(tasks=["last"]), {}, "last"),
        (Repair(tasks=["first"]), {}, "first check last"),
        (Repair(tasks=["first"], dependents=True), {}, "first check last side"),
        (Repair(tasks=["check"]), {"check": "SUCCESS", "last": "SUCCESS"}, "check"),
        (Repair(tasks=["check"]), {"check": "SUCCESS", "last": "EXCLUDED"}, "check last"),
        (Repair(all_failed=True), {"side": "CANCELED"}, "check last side"),
        (Repair(all_failed=True), {"check": "TIMEDOUT"}, "check last"),
    ],
)
def test_what_runs_again(asked: Repair, results: dict[str, str], again: str) -> None:
    assert asked.choose(JOB, attempts(**{**HELD_UP, **results})) == set(again.split())


def test_nothing_that_has_failed_is_no_repair() -> None:
    good = dict.fromkeys(HELD_UP, "SUCCESS") | {"side": "EXCLUDED"}
    with pytest.raises(JobError, match="No task of this run has failed"):
        Repair(all_failed=True).choose(JOB, attempts(**good))


def test_each_repair_has_its_own_task_runs_and_names_the_one_before() -> None:
    first = attempts(**HELD_UP)
    once = begin(RUN, first, 7, {"life_cycle_state": "PENDING"})
    assert "end_time" not in once
    own = [{"task_key": "check", "run_id": 9, "state": {"result_state": "FAILED"}}]
    twice = begin(once | {"end_time": 3000}, [*first, *own], 8, {"life_cycle_state": "PENDING"})

    items = history(twice, [*first, *own])

    assert [item["type"] for item in items] == ["ORIGINAL", "REPAIR", "REPAIR"]
    assert [item.get("id") for item in items] == [None, 7, 8]
    assert [item["task_run_ids"] for item in items] == [[1, 2, 3, 4], [9], []]
    assert [item.get("end_time") for item in items] == [2000, 3000, None]
    assert facts_of(twice, "").repairs == 2
    Repair(all_failed=True, latest=8).check(twice)
    for wrong in (None, 7):
        with pytest.raises(JobError, match=r"latest_repair_id=8|is 7; the latest .* is 8"):
            Repair(all_failed=True, latest=wrong).check(twice)
