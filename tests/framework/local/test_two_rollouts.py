"""Two concurrent runs of a roll-out: one continues, the other stops with a message."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk.service.jobs import Run

from .rolling import (
    QUICK,
    connect,
    describe,
    faults,
    read_steps,
    register,
    roll_back,
    roll_out,
    shares,
)
from tests.conftest import Laptop, open_copy

pytestmark = pytest.mark.nightly

LOST = "continues the roll-out of version"
REFUSED = ("LakehouseError", "EndpointError")


@pytest.fixture(scope="module")
def laptop(trained_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with open_copy(trained_state, tmp_path_factory.mktemp("two")) as laptop:
        yield laptop


@pytest.fixture
def version(laptop: Laptop) -> Iterator[str]:
    """Register a version, and roll back to the first at the end."""
    yield register(laptop)
    faults(laptop).unlink(missing_ok=True)
    roll_back(laptop, "--to_version=1", "--hold_days=0")
    assert shares(laptop) == {"1": 100}


def require_finished(laptop: Laptop, version: str) -> None:
    tags, aliases = describe(laptop, version)
    assert aliases == {"Champion": int(version), "Challenger": int(version)}
    assert shares(laptop) == {version: 100}
    assert tags["rollout_ended"] == "finished"
    assert [step["decision"] for step in read_steps(laptop, version)] == ["finish"]


# The second run starts after one of the first run's steps; the first waits until it has ended.
BETWEEN = """
real = getattr(rollout, {effect!r})
def meet(*arguments, **named):
    answer = real(*arguments, **named)
    setattr(rollout, {effect!r}, real)
    try:
        start(lambda seconds: None)
        print("the second ended")
    except Exception as error:
        print("the second:", type(error).__name__, error)
    return answer
setattr(rollout, {effect!r}, meet)
"""


@pytest.mark.parametrize(
    "effect",
    [
        "hand_over",
        pytest.param("add_challenger", marks=pytest.mark.nightly),
        pytest.param("begin", marks=pytest.mark.nightly),
        pytest.param("split", marks=pytest.mark.nightly),
        pytest.param("decide_rollout", marks=pytest.mark.nightly),
        pytest.param("write_step", marks=pytest.mark.nightly),
    ],
)
def test_the_run_that_began_last_goes_on_and_the_first_says_so(
    laptop: Laptop, version: str, effect: str
) -> None:
    printed = roll_out(laptop, policy=QUICK, before=BETWEEN.format(effect=effect))
    assert "the second ended" in printed
    assert LOST in printed
    require_finished(laptop, version)


def test_version_that_the_second_run_takes_back_stays_so(laptop: Laptop, version: str) -> None:
    spoil = f"Path({str(faults(laptop))!r}).write_text('{version}: {{null_share: 1.0}}')\n"
    printed = roll_out(laptop, policy=QUICK, before=BETWEEN.format(effect="decide_rollout") + spoil)
    assert "the second: RolledBackError" in printed
    assert LOST in printed
    assert describe(laptop, version)[1] == {"Champion": 1}
    assert shares(laptop) == {"1": 100}


AT_ONCE = """
import os, time
child = os.fork()
try:
    if child == 0:
        time.sleep({delay})
    start(lambda seconds: time.sleep(0.2))
    said = "ended"
except Exception as error:
    said = f"{{type(error).__name__}} {{error}}"
print("SAID", said, flush=True)
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.parametrize(
    "delay", [0.0, *(pytest.param(each, marks=pytest.mark.nightly) for each in (1.0, 3.0))]
)
def test_two_runs_at_once_leave_endpoint_and_alias_at_the_same_version(
    laptop: Laptop, version: str, delay: float
) -> None:
    printed = roll_out(laptop, policy=QUICK, before=AT_ONCE.format(delay=delay))
    said = [line[5:] for line in printed.splitlines() if line.startswith("SAID ")]
    assert len(said) == 2
    assert sum(each == "ended" for each in said) >= 1
    assert all(each == "ended" or each.startswith(REFUSED) for each in said)
    require_finished(laptop, version)


def test_second_run_of_the_job_waits_and_finds_nothing_to_do(laptop: Laptop, version: str) -> None:
    client = connect(laptop)
    (job,) = client.jobs.list(name="[dev laptop] rollout")
    assert job.job_id is not None
    parameters = {"policy": "policy_small", "rollout": "rollout_small"}
    runs = [client.jobs.run_now(job.job_id, job_parameters=parameters).run_id for _ in range(2)]
    first, second = (finish(laptop, run) for run in runs)
    (task,) = second.tasks or []
    assert (task.start_time or 0) >= (first.end_time or 0) > 0
    decisions = [step["decision"] for step in read_steps(laptop, version)]
    assert decisions == ["advance", "advance", "finish"]
    assert shares(laptop) == {version: 100}
    assert task.run_id is not None
    logs = client.jobs.get_run_output(task.run_id).logs or ""
    assert "Nothing to roll out" in logs


def finish(laptop: Laptop, run: int, seconds: float = 600) -> Run:
    """Wait until a run has succeeded, and return it."""
    client, until = connect(laptop), time.monotonic() + seconds
    while True:
        found = client.jobs.get_run(run)
        assert found.state is not None
        if found.state.result_state is not None:
            assert found.state.result_state.value == "SUCCESS", found.state
            return found
        assert time.monotonic() < until, f"The run goes on: {found.state}"
        time.sleep(0.5)
