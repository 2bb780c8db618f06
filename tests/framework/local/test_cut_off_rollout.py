"""Roll-out and rollback that end after any of their writes, as by `kill -9`, and then run again.

Each leaves the first version Champion for the next.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from .rolling import (
    QUICK,
    cut,
    describe,
    faults,
    read_steps,
    register,
    roll_back,
    roll_out,
    shares,
)
from tests.conftest import Laptop, open_copy

EVERY = pytest.param("", marks=pytest.mark.nightly, id="every write")


@pytest.fixture(scope="module")
def laptop(trained_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with open_copy(trained_state, tmp_path_factory.mktemp("cut")) as laptop:
        yield laptop


def cut_each(act: Callable[[str], str], after: str, least: int) -> Iterator[str]:
    """Cut a task off after one write, or after each in turn.

    Args:
        act: Makes all ready and runs the task, after the code that it is given.
        after: The write; blank means each, until none is left.
        least: How many there are at least.

    Yields:
        What was printed, each time that it was cut off.
    """
    for number in count(1):
        printed = act(cut(after or number))
        if "CUT after" not in printed:
            assert not after, f"There is no write {after}."
            assert number > least
            return
        yield printed
        if after:
            return


def begin(laptop: Laptop, before: str = "", waiting: str = "pass") -> str:
    """Roll a version out on the quick policy, and return what was printed."""
    return roll_out(laptop, waiting, before=before, policy=QUICK)


def put_back(laptop: Laptop) -> None:
    roll_back(laptop, "--to_version=1", "--hold_days=0")
    assert shares(laptop) == {"1": 100}


@pytest.mark.parametrize("after", ["set_registered_model_alias Champion", EVERY])
def test_good_version_becomes_champion_in_the_next_run(laptop: Laptop, after: str) -> None:
    versions = []

    def act(before: str) -> str:
        versions.append(register(laptop))
        return begin(laptop, before)

    for _ in cut_each(act, after, least=12):
        version = versions[-1]
        again = begin(laptop)
        assert "ended" in again.splitlines()
        tags, aliases = describe(laptop, version)
        assert aliases == {"Champion": int(version), "Challenger": int(version)}
        assert shares(laptop) == {version: 100}
        assert tags["rollout_ended"] == "finished"
        assert [step["decision"] for step in read_steps(laptop, version)] == ["finish"]
        put_back(laptop)


SPOIL = """
from flight_delays.tasks import rollout
admit = rollout.admit_beside
def spoil(*arguments, **named):
    admit(*arguments, **named)
    Path({file!r}).write_text("{version}: {{null_share: 1.0}}")
rollout.admit_beside = spoil
"""


@pytest.mark.parametrize("after", ["set_model_version_tag rejected", EVERY])
def test_bad_version_is_taken_back_by_the_next_run(laptop: Laptop, after: str) -> None:
    versions = []

    def act(before: str) -> str:
        faults(laptop).unlink(missing_ok=True)
        version = register(laptop)
        versions.append(version)
        spoil = SPOIL.format(file=str(faults(laptop)), version=version)
        return begin(laptop, spoil + before)

    for printed in cut_each(act, after, least=9):
        version = versions[-1]
        if faults(laptop).exists():
            again = begin(laptop)
        else:
            again = begin(laptop, SPOIL.format(file=str(faults(laptop)), version=version))
        assert (
            "CUT after set_model_version_tag rollout_ended" in printed or "RolledBackError" in again
        )
        tags, aliases = describe(laptop, version)
        assert aliases == {"Champion": 1}
        assert shares(laptop) == {"1": 100}
        assert "missing or impossible" in tags["rejected"]
        assert tags["decision"] == "reject"
        assert [step["decision"] for step in read_steps(laptop, version)] == ["roll_back"]
    faults(laptop).unlink(missing_ok=True)
