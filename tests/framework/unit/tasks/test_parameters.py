import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import yaml

from flight_delays.tasks.parameters import Instant, ParameterError, Parameters, SchemaName, Switch

from tests.declared import ROOT


class Sample(Parameters):
    target: SchemaName
    as_of: Instant


class Asked(Parameters):
    tune: Switch


GOOD = ["--target=dev.flights", "--as_of=2013-11-01"]


def test_parameters_are_read_and_typed() -> None:
    assert Sample.parse(GOOD) == Sample(
        target="dev.flights", as_of=datetime(2013, 11, 1, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2013-11-01T06:30:00", datetime(2013, 11, 1, 6, 30, tzinfo=UTC)),
        ("2013-11-01T06:30:00Z", datetime(2013, 11, 1, 6, 30, tzinfo=UTC)),
        ("2013-11-01T01:30:00-05:00", datetime(2013, 11, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_instants_are_utc(text: str, instant: datetime) -> None:
    read = Sample.parse([GOOD[0], f"--as_of={text}"]).as_of
    assert read == instant
    assert read.tzinfo in (UTC, timezone(timedelta(0)))


def test_empty_as_of_means_now() -> None:
    before = datetime.now(UTC)
    read = Sample.parse([GOOD[0], "--as_of="]).as_of
    assert before <= read <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([GOOD[0]], "'as_of': Field required. Parameters of this task: target, as_of."),
        ([*GOOD, "--as_off=1"], "'as_off' is '1': Extra inputs are not permitted"),
        ([*GOOD, GOOD[1]], "'as_of' is given twice"),
        ([GOOD[0], "--as_of=soon"], "'as_of' is 'soon': must be an ISO date or timestamp in UTC"),
        ([GOOD[0], "--as_of={{job.parameters.as_of}}"], "the job did not resolve that reference"),
        (["--target=flights", GOOD[1]], "'target' is 'flights'"),
        (["--target=", GOOD[1]], "'target' is ''"),
        (["target", *GOOD], "Parameters are --name=value; got 'target'"),
        ([*GOOD, "--flag"], "Parameters are --name=value; got '--flag'"),
    ],
)
def test_bad_command_lines_are_refused_by_name(arguments: list[str], says: str) -> None:
    with pytest.raises(ParameterError) as refused:
        Sample.parse(arguments)
    assert says in str(refused.value)


def list_wheel_tasks(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if "python_wheel_task" in part:
            yield part["python_wheel_task"]
        part = list(part.values())
    for inner in part if isinstance(part, list) else ():
        yield from list_wheel_tasks(inner)


def test_tasks_take_a_list_of_parameters_to_which_no_job_parameter_is_added() -> None:
    jobs = [yaml.safe_load(path.read_text()) for path in (ROOT / "resources").glob("*.job.yml")]
    tasks = list(list_wheel_tasks(jobs))
    assert len(tasks) >= len(jobs) >= 4
    for task in tasks:
        assert "named_parameters" not in task
        assert all(re.match(r"--[a-z_]+=", parameter) for parameter in task["parameters"])


@pytest.mark.parametrize(("text", "on"), [("true", True), ("false", False)])
def test_a_switch_is_true_or_false(text: str, on: bool) -> None:
    assert Asked.parse([f"--tune={text}"]).tune is on


@pytest.mark.parametrize("text", ["", "True", "yes", "1", "on", "true "])
def test_nothing_else_turns_a_switch(text: str) -> None:
    with pytest.raises(ParameterError, match=f"'tune' is '{text}': must be true or false"):
        Asked.parse([f"--tune={text}"])
