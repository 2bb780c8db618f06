import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from laptop.connection import RequestRefused

from ...conftest import Jobs, alive, execute, results, until

SLEEP = "import time; time.sleep(600)"


def task(run: dict[str, Any], key: str) -> dict[str, Any]:
    found: dict[str, Any] = attempts(run, key)[-1]
    return found


def attempts(run: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [each for each in run["tasks"] if each["task_key"] == key]


def log(run: dict[str, Any], key: str) -> str:
    return Path(task(run, key)["log"]).read_text()


def note(file: Path) -> str:
    """Return code that adds the process and its parent to a file."""
    return f"import os; open({str(file)!r}, 'a').write(f'{{os.getpid()}} {{os.getppid()}}\\n')"


def test_a_failure_stops_what_follows_and_nothing_else(jobs: Jobs, tmp_path: Path) -> None:
    run = jobs.run(
        execute("bad", "raise RuntimeError('no rows')"),
        execute("after", note(tmp_path / "after"), "bad"),
        execute("far", note(tmp_path / "far"), "after"),
        execute("beside", note(tmp_path / "beside")),
    )
    assert results(run) == {
        "bad": "FAILED",
        "after": "UPSTREAM_FAILED",
        "far": "UPSTREAM_FAILED",
        "beside": "SUCCESS",
    }
    assert run["state"]["result_state"] == "FAILED"
    assert run["state"]["state_message"] == "Failed: bad."
    assert "RuntimeError: no rows" in log(run, "bad")
    assert [file.name for file in tmp_path.iterdir()] == ["beside"]


@pytest.mark.parametrize(
    "status",
    ["0", *(pytest.param(each, marks=pytest.mark.nightly) for each in ("1", "'gone'", ""))],
)
def test_leaving_by_exit_is_a_failure_even_with_status_0(jobs: Jobs, status: str) -> None:
    run = jobs.run(execute("quits", f"import sys; sys.exit({status})"))
    assert results(run) == {"quits": "FAILED"}
    assert "Return instead, or raise" in log(run, "quits")


def test_a_value_of_a_failed_task_is_not_left(jobs: Jobs) -> None:
    code = (
        "from databricks.sdk.runtime import dbutils\n"
        "dbutils.jobs.taskValues.set('x', 1)\nraise RuntimeError"
    )
    assert task(jobs.run(execute("bad", code)), "bad")["values"] == {}


def test_a_failed_attempt_is_tried_again_after_a_wait(jobs: Jobs, tmp_path: Path) -> None:
    counted = tmp_path / "attempts"
    code = (
        "import pathlib\n"
        f"file = pathlib.Path({str(counted)!r})\n"
        "with file.open('a') as each: each.write('tried\\n')\n"
        "assert len(file.read_text().splitlines()) == 3, 'too early'"
    )
    retry = {"max_retries": 5, "min_retry_interval_millis": 300}
    run = jobs.run(execute("flaky", code, **retry))
    assert results(run) == {"flaky": "SUCCESS"}
    assert task(run, "flaky")["attempt_number"] == 2
    tried = attempts(run, "flaky")
    times = [each["start_time"] for each in tried]
    assert all(later - earlier >= 300 for earlier, later in pairwise(times))
    assert [each["attempt_number"] for each in tried] == [0, 1, 2]
    assert [each["state"]["result_state"] for each in tried] == ["FAILED", "FAILED", "SUCCESS"]
    assert len({each["run_id"] for each in tried}) == 3
    errors = ["AssertionError: too early" in Path(each["log"]).read_text() for each in tried]
    assert errors == [True, True, False]


def test_retries_without_limit_go_on_until_canceled(jobs: Jobs, tmp_path: Path) -> None:
    counted = tmp_path / "attempts"
    bad = execute("bad", f"{note(counted)}; raise RuntimeError", max_retries=-1)
    run_id = jobs.start(jobs.create(bad))
    until(lambda: counted.exists() and len(counted.read_text().splitlines()) > 3)
    jobs.there.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": run_id})
    assert results(jobs.finish(run_id)) == {"bad": "CANCELED"}


def test_an_attempt_knows_its_number(jobs: Jobs) -> None:
    asking = execute("asks", "", max_retries=1)
    code = "import sys; assert sys.argv[2] == '2', sys.argv"
    asking["python_wheel_task"]["parameters"] = [code, "{{task.execution_count}}"]
    run = jobs.run(asking)
    assert results(run) == {"asks": "SUCCESS"}


@pytest.mark.parametrize("limited", ["task", "job"])
def test_a_time_out_ends_the_task_and_its_children(
    jobs: Jobs, tmp_path: Path, limited: str
) -> None:
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
        f"{note(tmp_path / 'own')}\n{SLEEP}"
    )
    of_task, of_job = (
        ({"timeout_seconds": 3}, {}) if limited == "task" else ({}, {"timeout_seconds": 3})
    )
    run = jobs.run(execute("slow", code, **of_task), execute("after", "", "slow"), **of_job)
    assert results(run) == {"slow": "TIMEDOUT", "after": "UPSTREAM_FAILED"}
    assert run["state"]["result_state"] == ("FAILED" if limited == "task" else "TIMEDOUT")
    assert "Took longer than" in task(run, "slow")["state"]["state_message"]
    pids = [int((tmp_path / name).read_text().split()[0]) for name in ("child", "own")]
    until(lambda: not any(map(alive, pids)))


def test_a_time_out_is_tried_again_where_that_is_asked_for(jobs: Jobs) -> None:
    for again, tried in ((False, 1), (True, 2)):
        limits = {"timeout_seconds": 1, "max_retries": 1, "retry_on_timeout": again}
        run = jobs.run(execute("slow", SLEEP, **limits))
        assert results(run) == {"slow": "TIMEDOUT"}
        assert len(attempts(run, "slow")) == tried


def test_a_job_time_out_ends_the_wait_for_the_next_attempt(jobs: Jobs) -> None:
    bad = execute("bad", "raise RuntimeError", max_retries=3, min_retry_interval_millis=60_000)
    run = jobs.run(bad, timeout_seconds=3)
    assert [each["state"]["result_state"] for each in attempts(run, "bad")] == [
        "FAILED",
        "TIMEDOUT",
    ]
    assert "start_time" not in task(run, "bad")
    assert run["state"]["result_state"] == "TIMEDOUT"


def test_a_task_that_is_killed_has_failed_and_the_signal_is_named(jobs: Jobs) -> None:
    run = jobs.run(execute("killed", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert results(run) == {"killed": "FAILED"}
    assert task(run, "killed")["state"]["state_message"] == "Killed by SIGKILL."


def test_what_a_task_leaves_running_ends_with_it(jobs: Jobs, tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))"
    )
    assert results(jobs.run(execute("parent", code))) == {"parent": "SUCCESS"}
    until(lambda: not alive(int((tmp_path / "pid").read_text())))


def test_canceling_ends_what_runs_and_starts_nothing_more(jobs: Jobs, tmp_path: Path) -> None:
    slow = execute("slow", f"{note(tmp_path / 'slow')}; {SLEEP}")
    run_id = jobs.start(jobs.create(slow, execute("after", note(tmp_path / "after"), "slow")))
    until((tmp_path / "slow").exists)
    jobs.there.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": run_id})
    run = jobs.finish(run_id)
    assert results(run) == {"slow": "CANCELED", "after": "CANCELED"}
    assert run["state"]["result_state"] == "CANCELED"
    assert not (tmp_path / "after").exists()
    jobs.there.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": run_id})
    assert jobs.get(run_id) == run


def test_independent_tasks_run_at_the_same_time(jobs: Jobs, tmp_path: Path) -> None:
    def meet(own: str, other: str) -> str:
        return (
            "import pathlib, time\n"
            f"pathlib.Path({str(tmp_path / own)!r}).touch()\n"
            f"while not pathlib.Path({str(tmp_path / other)!r}).exists(): time.sleep(0.01)"
        )

    run = jobs.run(
        execute("a", meet("a", "b"), timeout_seconds=120),
        execute("b", meet("b", "a"), timeout_seconds=120),
    )
    assert results(run) == {"a": "SUCCESS", "b": "SUCCESS"}


def test_runs_of_one_job_queue_in_the_order_they_came(jobs: Jobs, tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = (
        "import sys, time\n"
        f"with open({str(order)!r}, 'a') as file: file.write(f'{{sys.argv[2]}} ')\n"
        "time.sleep(0.2)\n"
        f"with open({str(order)!r}, 'a') as file: file.write(f'{{sys.argv[2]}} ')"
    )
    queued = execute("one", "")
    queued["python_wheel_task"]["parameters"] = [code, "{{job.run_id}}"]
    job_id = jobs.create(queued, max_concurrent_runs=1, queue={"enabled": True})
    runs = [jobs.start(job_id) for _ in range(4)]
    assert [jobs.finish(run)["state"]["result_state"] for run in runs] == ["SUCCESS"] * 4
    assert order.read_text().split() == [str(run) for run in runs for _ in range(2)]


def test_a_queued_run_can_be_canceled(jobs: Jobs, tmp_path: Path) -> None:
    slow = execute("slow", f"{note(tmp_path / 'slow')}; {SLEEP}")
    job_id = jobs.create(slow, queue={"enabled": True})
    first, second = jobs.start(job_id), jobs.start(job_id)
    assert jobs.get(second)["state"]["life_cycle_state"] == "QUEUED"
    for run in (second, first):
        jobs.there.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": run})
        assert results(jobs.finish(run)) == {"slow": "CANCELED"}


def test_without_a_queue_one_run_too_many_is_skipped(jobs: Jobs) -> None:
    job_id = jobs.create(execute("slow", SLEEP))
    started: list[int] = []
    threads = [threading.Thread(target=lambda: started.append(jobs.start(job_id))) for _ in "1234"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [jobs.get(run) for run in started]
    skipped = [run for run in found if run["state"]["life_cycle_state"] == "SKIPPED"]
    for run in started:
        jobs.there.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": run})
        jobs.finish(run)
    assert len(skipped) == 3
    for each in skipped:
        assert each["state"]["result_state"] == "MAXIMUM_CONCURRENT_RUNS_REACHED"
        assert "1 of 'job of slow' may run at once" in each["state"]["state_message"]
        assert each["status"]["termination_details"]["code"] == "MAX_CONCURRENT_RUNS_EXCEEDED"
        assert "start_time" not in task(each, "slow")
    next_one = jobs.start(job_id)
    until(lambda: results(jobs.get(next_one)) == {"slow": "RUNNING"})
    jobs.there.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": next_one})
    jobs.finish(next_one)


def test_a_run_may_ask_for_the_queue_that_its_job_lacks(jobs: Jobs) -> None:
    job_id = jobs.create(execute("slow", SLEEP))
    first = jobs.start(job_id)
    second = jobs.start(job_id, queue={"enabled": True})
    assert jobs.get(second)["state"]["life_cycle_state"] == "QUEUED"
    jobs.there.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": first})
    until(lambda: results(jobs.get(second)) == {"slow": "RUNNING"})
    jobs.there.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": second})
    assert jobs.finish(second)["state"]["result_state"] == "CANCELED"


def test_as_many_run_at_once_as_the_job_says_and_none_of_them_was_queued(
    jobs: Jobs, tmp_path: Path
) -> None:
    code = f"{note(tmp_path / 'pids')}\n{SLEEP}"
    job_id = jobs.create(execute("slow", code), max_concurrent_runs=2)
    runs = [jobs.start(job_id) for _ in range(3)]
    assert "QUEUED" not in [jobs.get(run)["state"]["life_cycle_state"] for run in runs]
    until(lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) > 2)
    for run in runs:
        jobs.there.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": run})
    ends = [jobs.finish(run)["state"]["result_state"] for run in runs]
    assert ends == ["CANCELED", "CANCELED", "MAXIMUM_CONCURRENT_RUNS_REACHED"]


def test_the_wait_for_the_next_attempt_counts_from_the_start_of_the_last(jobs: Jobs) -> None:
    slow = "import time; time.sleep(2.8); raise RuntimeError"
    run = jobs.run(execute("slow", slow, max_retries=1, min_retry_interval_millis=3000))
    first, second = attempts(run, "slow")
    assert second["start_time"] - first["start_time"] >= 3000
    assert second["start_time"] - first["end_time"] < 3000


def test_serverless_tries_again_by_itself(jobs: Jobs) -> None:
    bad = {**execute("bad", "raise RuntimeError"), "disable_auto_optimization": False}
    run = jobs.run(bad, execute("after", "", "bad"))
    assert [each["attempt_number"] for each in attempts(run, "bad")] == [0, 1, 2, 3]
    assert results(run) == {"bad": "FAILED", "after": "UPSTREAM_FAILED"}


def test_a_task_that_is_canceled_alone_stops_what_follows_and_what_handles_failures_runs(
    jobs: Jobs,
) -> None:
    run_id = jobs.start(
        jobs.create(
            execute("slow", SLEEP, max_retries=5),
            execute("after", "", "slow"),
            execute("cleanup", "", "slow", run_if="AT_LEAST_ONE_FAILED"),
            execute("beside", ""),
        )
    )
    until(lambda: results(jobs.get(run_id))["slow"] == "RUNNING")
    slow = task(jobs.get(run_id), "slow")["run_id"]
    jobs.there.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": slow})
    run = jobs.finish(run_id)
    assert results(run) == {
        "slow": "CANCELED",
        "after": "UPSTREAM_CANCELED",
        "cleanup": "SUCCESS",
        "beside": "SUCCESS",
    }
    assert run["state"]["result_state"] == "CANCELED"


@pytest.mark.parametrize(
    ("change", "more", "words"),
    [
        ({"entry_point": "nowhere"}, {}, ["no entry point 'nowhere'", "execute, leave, take"]),
        ({"package_name": "other"}, {}, ["no package 'other'", "toy"]),
        ({"parameters": ["{{job.day}}"]}, {}, ["no reference 'job.day'"]),
        ({"parameters": ["{{tasks.x.values.y}}"]}, {}, ["no task 'x'"]),
        (
            {},
            {"dependencies": ["no-such-package>=2"]},
            ["'no-such-package>=2'", "installed is none"],
        ),
        ({}, {"dependencies": ["pandas<1"]}, ["'pandas<1'", "installed is 2."]),
        (
            {},
            {"dependencies": ["-r requirements.txt"]},
            ["requirements.txt, which is not in this workspace"],
        ),
        ({}, {"dependencies": ["/no/such.whl"]}, ["/no/such.whl, which does not exist"]),
    ],
)
def test_what_cannot_run_is_refused_before_any_task_starts(
    jobs: Jobs, change: dict[str, Any], more: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    bad = execute("bad", "", "good")
    bad["python_wheel_task"] |= change
    job_id = jobs.create(execute("good", note(tmp_path / "good")), bad, **more)
    with pytest.raises(RequestRefused) as caught:
        jobs.start(job_id)
    assert (caught.value.status, caught.value.code) == (400, "INVALID_PARAMETER_VALUE")
    for word in words:
        assert word in str(caught.value)
    assert jobs.there.ask("GET", f"/api/2.2/jobs/runs/list?job_id={job_id}")["runs"] == []
    assert not (tmp_path / "good").exists()


def test_the_runtimes_own_packages_need_not_be_installed(jobs: Jobs) -> None:
    run = jobs.run(execute("any", "pass"), dependencies=["databricks-feature-engineering>=0.18"])
    assert results(run) == {"any": "SUCCESS"}


def test_only_the_named_tasks_run(jobs: Jobs, tmp_path: Path) -> None:
    chain = [execute("a", note(tmp_path / "a"))]
    chain += [execute(key, note(tmp_path / key), before) for before, key in ("ab", "bc")]
    job_id = jobs.create(*chain)
    run = jobs.finish(jobs.start(job_id, only=["b"]))
    assert results(run) == {"b": "SUCCESS"}
    assert [file.name for file in tmp_path.iterdir()] == ["b"]


def test_a_value_that_was_not_set_fails_the_task_that_asks_and_is_not_tried_again(
    jobs: Jobs,
) -> None:
    asks = execute("asks", "", "silent", max_retries=3, min_retry_interval_millis=60_000)
    asks["python_wheel_task"]["parameters"] = ["{{tasks.silent.values.uri}}"]
    run = jobs.run(execute("silent", "pass"), asks)
    assert results(run) == {"silent": "SUCCESS", "asks": "FAILED"}
    assert "set no value 'uri'" in task(run, "asks")["state"]["state_message"]
    assert "set no value 'uri'" in log(run, "asks")


def test_a_task_has_the_runtime_and_the_workspace_and_its_own_random_numbers(jobs: Jobs) -> None:
    code = (
        "import os, random, numpy, mlflow\n"
        "from databricks.sdk import WorkspaceClient\n"
        "from databricks.sdk.runtime import dbutils, spark\n"
        "import databricks.feature_engineering\n"
        "from pyspark.sql.connect.session import SparkSession\n"
        "assert isinstance(spark, SparkSession)\n"
        "assert spark.sql('SELECT current_timezone()').collect()[0][0] == 'UTC'\n"
        "assert WorkspaceClient().current_user.me().display_name == 'laptop'\n"
        "assert mlflow.get_tracking_uri().startswith('laptop://')\n"
        "assert mlflow.get_registry_uri() == mlflow.get_tracking_uri()\n"
        "assert not {'DATABRICKS_RUNTIME_VERSION', 'IS_SERVERLESS'} & set(os.environ)\n"
        "set = dbutils.jobs.taskValues.set\n"
        "set('python', random.random()); set('numpy', numpy.random.rand())"
    )
    run = jobs.run(execute("a", code), execute("b", code))
    assert results(run) == {"a": "SUCCESS", "b": "SUCCESS"}, log(run, "a")
    for source in ("python", "numpy"):
        assert task(run, "a")["values"][source] != task(run, "b")["values"][source]
