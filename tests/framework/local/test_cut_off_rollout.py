"""Roll-out and rollback are killed after each write, as by `kill -9`, and retried.

Each test leaves the first version as Champion.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .cut_off import cut_each
from .rolling import (
    QUICK,
    describe,
    faults,
    later,
    read_steps,
    register,
    roll_back,
    roll_out,
    shares,
)
from tests.conftest import MODEL, Laptop, open_copy

EVERY = pytest.param("", marks=pytest.mark.nightly, id="every write")


@pytest.fixture(scope="module")
def laptop(trained_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with open_copy(trained_state, tmp_path_factory.mktemp("cut")) as laptop:
        yield laptop


@pytest.fixture(autouse=True)
def first_again(laptop: Laptop) -> Iterator[None]:
    """Roll back to the first version after a failed test."""
    yield
    faults(laptop).unlink(missing_ok=True)
    if shares(laptop) != {"1": 100}:
        put_back(laptop)


def begin(laptop: Laptop, before: str = "", waiting: str = "pass") -> str:
    """Roll a version out with the quick policy, and return the output."""
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
        assert "no guardrail is crossed" in read_steps(laptop, version)[0]["reason"]
        put_back(laptop)


SPOIL = """
from flight_delays.tasks import rollout
admit = rollout.add_challenger
def spoil(*arguments, **named):
    admit(*arguments, **named)
    Path({file!r}).write_text("{version}: {{null_share: 1.0}}")
rollout.add_challenger = spoil
"""


@pytest.mark.nightly
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
        last = "CUT after delete_registered_model_alias Challenger"
        assert last in printed or "RolledBackError" in again
        tags, aliases = describe(laptop, version)
        assert aliases == {"Champion": 1}
        assert tags["rollout_ended"].startswith("rolled back: ")
        assert shares(laptop) == {"1": 100}
        assert "missing or impossible" in tags["rejected"]
        assert tags["decision"] == "reject"
        assert [step["decision"] for step in read_steps(laptop, version)] == ["roll_back"]
    faults(laptop).unlink(missing_ok=True)


@pytest.mark.nightly
@pytest.mark.parametrize("after", ["set_registered_model_alias Champion", EVERY])
def test_champion_is_gone_back_from_in_the_next_run(laptop: Laptop, after: str) -> None:
    version = register(laptop)

    def act(before: str) -> str:
        roll_back(laptop, f"--to_version={version}", "--hold_days=0")
        assert shares(laptop) == {version: 100}
        return roll_back(laptop, "--reason=trial", before=before)

    for _ in cut_each(act, after, least=7):
        roll_back(laptop, "--reason=trial")
        tags, aliases = describe(laptop, version)
        assert aliases == {"Champion": 1}
        assert shares(laptop) == {"1": 100}
        assert tags["rejected"] == "rolled back to version 1 by hand: trial"
        held = describe(laptop, "1")[0]
        assert "held_until" in held
        assert "rejected" not in held
        assert "Nothing to roll out" in begin(laptop)
    put_back(laptop)


@pytest.mark.nightly
@pytest.mark.parametrize("after", ["set_model_version_tag rejected", EVERY])
def test_rollout_is_gone_back_from_in_the_next_run(laptop: Laptop, after: str) -> None:
    versions = []

    def act(before: str) -> str:
        put_back(laptop)
        versions.append(register(laptop))
        policy = {**QUICK, "min_requests": 1000}
        assert "Still needed" in roll_out(laptop, "raise PowerCut", policy=policy)
        return roll_back(laptop, "--reason=trial", before=before)

    for _ in cut_each(act, after, least=4):
        roll_back(laptop, "--reason=trial")
        tags, aliases = describe(laptop, versions[-1])
        assert aliases == {"Champion": 1}
        assert shares(laptop) == {"1": 100}
        assert tags["rejected"] == "rolled back to version 1 by hand: trial"
        assert "Nothing to roll out" in begin(laptop)
    put_back(laptop)


AB = {"mode": "ab", "steps": [50, 100], "min_requests": 3, "min_minutes": 0, "probes": 3}


@pytest.mark.nightly
@pytest.mark.parametrize("after", ["set_model_version_tag decision", EVERY])
def test_ab_test_that_shows_nothing_is_ended_by_the_next_run(laptop: Laptop, after: str) -> None:
    versions = []

    def run(before: str = "", at: str = "") -> str:
        return roll_out(laptop, "raise PowerCut", before=before, file="rollout", policy=AB, at=at)

    def act(before: str) -> str:
        versions.append(register(laptop))
        assert "The A/B test has lasted 0 of" in run()
        return run(before, later(minutes=30_000))

    for _ in cut_each(act, after, least=7):
        version = versions[-1]
        run(at=later(minutes=30_000))
        tags, aliases = describe(laptop, version)
        assert aliases == {"Champion": 1, "Challenger": int(version)}
        assert shares(laptop) == {"1": 100}
        assert tags["decision"] == "keep"
        assert "No evidence" in tags["decision_reason"]
        assert tags["rollout_ended"].startswith("kept: ")
        assert [step["decision"] for step in read_steps(laptop, version)] == ["finish"]


@pytest.mark.nightly
@pytest.mark.parametrize("after", ["update_config", EVERY])
def test_rollout_beside_another_champion_is_given_up_by_the_next_run(
    laptop: Laptop, after: str
) -> None:
    other = register(laptop)
    versions = []

    def act(before: str) -> str:
        put_back(laptop)
        versions.append(register(laptop))
        policy = {**QUICK, "min_requests": 1000}
        assert "Still needed" in roll_out(laptop, "raise PowerCut", policy=policy)
        laptop.execute(
            f"import mlflow\nclient = mlflow.MlflowClient()\n"
            f"client.set_registered_model_alias({MODEL!r}, 'Champion', {other!r})"
        )
        return begin(laptop, before)

    for _ in cut_each(act, after, least=2):
        begin(laptop)
        tags, aliases = describe(laptop, versions[-1])
        assert aliases == {"Champion": int(other), "Challenger": int(versions[-1])}
        assert shares(laptop) == {other: 100}
        assert tags["rollout_ended"].startswith("given up: Champion was version 1 and is")
        assert "Nothing to roll out" in begin(laptop)
