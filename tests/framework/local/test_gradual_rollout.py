"""A gradual roll-out with a traffic split with the Champion, and a manual rollback.

The tests run in order in one workspace: all but the last leave the first version as Champion.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from scipy.stats import binomtest

from .rolling import (
    ENDPOINT,
    LABELLED,
    describe,
    faults,
    later,
    read_steps,
    register,
    roll_back,
    roll_out,
    send,
    shares,
)
from tests.conftest import MODEL, Laptop, open_copy


@pytest.fixture(scope="module")
def laptop(trained_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with open_copy(trained_state, tmp_path_factory.mktemp("rolled")) as laptop:
        yield laptop


@pytest.fixture
def version(laptop: Laptop) -> Iterator[str]:
    """Register a version with deploy's decision to promote it over the first."""
    yield register(laptop)
    faults(laptop).unlink(missing_ok=True)


BAD = {
    "failed requests": "{error_share: 0.5}",
    "slow requests": "{delay_ms: 1100}",
    "missing or impossible": "{null_share: 0.5}",
    "distance of the scores": "{shift: 0.35}",
}


# Unit tests cover the other reasons, too.
FIRST_BAD, *OTHERS = BAD


@pytest.mark.parametrize(
    "reason", [FIRST_BAD, *(pytest.param(each, marks=pytest.mark.nightly) for each in OTHERS)]
)
def test_version_that_turns_bad_is_taken_back_for_its_own_reason(
    laptop: Laptop, version: str, reason: str
) -> None:
    spoil = f"Path({str(faults(laptop))!r}).write_text('{version}: {BAD[reason]}')"
    printed = roll_out(laptop, spoil)
    assert "RolledBackError" in printed
    tags, aliases = describe(laptop, version)
    assert reason in tags["rejected"]
    assert tags["decision"] == "reject"
    assert aliases == {"Champion": 1}
    assert shares(laptop) == {"1": 100}


@pytest.mark.nightly
def test_killed_rollout_goes_on_at_its_step(laptop: Laptop, version: str) -> None:
    printed = roll_out(laptop, "raise PowerCut")
    assert "PowerCut" in printed
    assert shares(laptop) == {"1": 95, version: 5}
    again = roll_out(laptop, "raise PowerCut")
    assert "answers 100 rows by key" not in again
    assert shares(laptop) == {"1": 95, version: 5}
    # Stopped manually: the Champion stays.
    assert "Version 1 of" in roll_back(laptop, "--hold_days=0", "--reason=trial")
    tags, aliases = describe(laptop, version)
    assert tags["rejected"] == "rolled back to version 1 by hand: trial"
    assert aliases == {"Champion": 1}
    assert shares(laptop) == {"1": 100}
    assert "Nothing to roll out" in roll_out(laptop)


@pytest.mark.usefixtures("version")
def test_policy_with_mode_immediate_refuses_a_rollout(laptop: Laptop) -> None:
    printed = roll_out(laptop, file="rollout")
    assert "conf/rollout.yml has mode immediate; allowed: gradual or ab" in printed
    assert "Run model_training" in printed
    assert shares(laptop) == {"1": 100}


def test_rollout_gives_up_where_the_champion_was_changed(laptop: Laptop, version: str) -> None:
    move = f"mlflow.MlflowClient().set_registered_model_alias({MODEL!r}, 'Champion', '2')"
    printed = roll_out(laptop, move)
    assert "Champion was version 1 and is 2 now" in printed
    assert shares(laptop) == {"2": 100}
    assert "given up" in describe(laptop, version)[0]["rollout_ended"]
    # Manual rollback to the first: the second was never promoted by deploy, but has passed.
    roll_back(laptop, "--to_version=1", "--hold_days=0")
    assert shares(laptop) == {"1": 100}


def test_rollout_refuses_an_endpoint_that_somebody_has_changed(
    laptop: Laptop, version: str
) -> None:
    change = f"""
    from flight_delays.lakehouse.endpoint import Part, read_configuration, send_configuration
    client = Lakehouse().workspace
    one, other = read_configuration(client.serving_endpoints.get({ENDPOINT!r}))
    send_configuration(client, {ENDPOINT!r}, (Part(one.entity, 60), Part(other.entity, 40)))"""
    printed = roll_out(laptop, change)
    assert "Somebody else has changed it" in printed
    assert shares(laptop) == {"1": 60, version: 40}
    assert "Version 1 of" in roll_back(laptop, "--hold_days=0")
    assert shares(laptop) == {"1": 100}


def test_rollback_refuses_a_version_that_never_passed(laptop: Laptop, version: str) -> None:
    fail = f"mlflow.MlflowClient().set_model_version_tag({MODEL!r}, {version!r}, "
    laptop.execute(f"import mlflow\n{fail}'model_validation_status', 'FAILED')")
    printed = roll_back(laptop, f"--to_version={version}")
    assert "allowed: a version that has PASSED" in printed
    assert shares(laptop) == {"1": 100}


def test_good_version_gets_all_traffic_and_can_be_gone_back_from(
    laptop: Laptop, version: str
) -> None:
    printed = roll_out(laptop)
    assert [line.split()[1] for line in printed.splitlines() if ": advance:" in line] == ["5", "25"]
    assert shares(laptop) == {version: 100}
    assert describe(laptop, version)[1] == {"Champion": int(version), "Challenger": int(version)}
    last = read_steps(laptop, version)[-1]
    assert (last["share"], last["decision"]) == (50, "finish")
    assert last["former"] == "dev_laptop_model-1 at 100 %"

    assert "held until" in roll_back(laptop, "--reason=wrong for small airports")
    assert shares(laptop) == {"1": 100}
    assert describe(laptop, "1")[1] == {"Champion": 1}
    # A second run does not go back further.
    assert "Give to_version to go further back" in roll_back(laptop)
    assert shares(laptop) == {"1": 100}
    # A rejected version can be the target of a rollback and is then no longer marked as rejected.
    assert "rejected" in describe(laptop, version)[0]
    roll_back(laptop, f"--to_version={version}", "--hold_days=0")
    assert "rejected" not in describe(laptop, version)[0]
    roll_back(laptop, "--to_version=1", "--hold_days=0")


QUALITY = {"loss": "log_loss", "margin": 0.05, "min_labels": 100}
# Judged only by labels, not by checks that detect a shifted score.
BY_LABELS = {
    "steps": [50, 100],
    "min_requests": 100,
    "probes": 0,
    "alpha": 0.2,
    "quality": QUALITY,
    "guardrails": {"errors": {"max_increase": 0.01}},
}


@pytest.mark.nightly
def test_version_that_labels_show_to_be_worse_is_taken_back_for_that(
    laptop: Laptop, version: str
) -> None:
    # The log loss of scores above 1, which a shift can cause, would dominate.
    policy = {**BY_LABELS, "quality": {**QUALITY, "loss": "squared_error"}}
    assert "Still needed: 100 requests" in roll_out(laptop, "raise PowerCut", policy=policy)
    faults(laptop).write_text(f"{version}: {{shift: 0.45}}")
    send(laptop, 600)
    printed = roll_out(laptop, "raise PowerCut", policy=policy, before=LABELLED)
    assert "RolledBackError" in printed
    rejected = describe(laptop, version)[0]["rejected"]
    assert rejected.startswith("The Challenger does harm: squared_error ")
    assert "labels of" in rejected
    assert shares(laptop) == {"1": 100}


@pytest.mark.nightly
def test_version_that_nothing_is_shown_of_finishes_at_the_horizon(
    laptop: Laptop, version: str
) -> None:
    assert "Still needed: 100 requests" in roll_out(laptop, "raise PowerCut", policy=BY_LABELS)
    send(laptop, 400)
    waits = roll_out(laptop, "raise PowerCut", policy=BY_LABELS, before=LABELLED)
    assert "Still needed: a quality that is shown not to be worse by the margin" in waits
    roll_out(laptop, "raise PowerCut", policy=BY_LABELS, at=later(minutes=30_000))
    (step,) = read_steps(laptop, version)
    assert step["decision"] == "finish"
    assert "The horizon of 30 minutes is reached" in step["reason"]
    assert "There is no evidence that it is better, nor that it is worse." in step["reason"]
    assert shares(laptop) == {version: 100}
    assert describe(laptop, version)[1]["Champion"] == int(version)
    roll_back(laptop, "--to_version=1", "--hold_days=0")


@pytest.mark.nightly
def test_ab_test_keeps_the_champion_where_nothing_is_shown(laptop: Laptop, version: str) -> None:
    policy = {"mode": "ab", "min_requests": 100, "probes": 0, "quality": QUALITY}

    def run(at: str = "", **more: str) -> str:
        return roll_out(laptop, "raise PowerCut", file="rollout", policy=policy, at=at, **more)

    assert "The A/B test has lasted 0 of 20,160 minutes" in run()
    assert shares(laptop) == {"1": 50, version: 50}
    counts = send(laptop, 400)
    assert binomtest(counts[0], 400, 0.5).pvalue > 1e-6

    printed = run(later(minutes=30_000), before=LABELLED)
    assert "No evidence that the Challenger is better: the Champion is kept" in printed
    assert "ab.html of version" in printed
    assert shares(laptop) == {"1": 100}
    tags, aliases = describe(laptop, version)
    assert tags["decision"] == "keep"
    assert aliases["Champion"] == 1
