"""Whose a roll-out is, and how it ends: taken back, kept, given up or finished."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from ..config.rollout import RolloutPolicy
from ..lakehouse.context import Lakehouse
from ..lakehouse.errors import LakehouseError
from ..lakehouse.registry import read_aliases, read_version, remove_alias, tag_version
from ..lakehouse.split_traffic import Pair, leave_alone
from ..promotion.decide import CHALLENGER, CHAMPION, Keep, Reject
from ..promotion.model_version import ENDED_TAG, REJECTED_TAG, RUN_TAG, ModelVersion
from ..promotion.rollback import PREVIOUS_TAG
from .rollback import bring

# How the tag begins that says how it ended.
ROLLED_BACK = "rolled back"


class RolledBackError(Exception):
    """The version was taken back; Champion and endpoint are as they were."""


@dataclass(frozen=True)
class Rollout:
    """A roll-out that is going on.

    Attributes:
        lakehouse: The platform's clients.
        source: Schema of the feature tables, with its catalog.
        policy: Steps and limits.
        champion: The Champion that the version was compared with.
        challenger: The version that is rolled out.
        pair: Both on their endpoint.
        run: Which run of the task this is; no other has the same.
        now: Tells the time.
    """

    lakehouse: Lakehouse
    source: str
    policy: RolloutPolicy
    champion: ModelVersion
    challenger: ModelVersion
    pair: Pair
    run: str
    now: Callable[[], datetime]

    def tag(self, **tags: str) -> None:
        """Set tags on the version that is rolled out, one after the other."""
        tag_version(self.lakehouse.registry, self.challenger, **tags)


def claim(rollout: Rollout) -> ModelVersion:
    """Make the roll-out this run's, and return the version as it is then.

    A run that began before, and still goes on, stops at its next look. A killed one has no say.
    """
    rollout.tag(**{RUN_TAG: rollout.run})
    return require_own(rollout)


def require_own(rollout: Rollout) -> ModelVersion:
    """Return the version as it is now, if this run may go on with it.

    Raises:
        RolledBackError: A person has gone back from it.
        LakehouseError: Another run goes on with it, or Champion was moved by another.
    """
    challenger, champion, registry = (
        rollout.challenger,
        rollout.champion,
        rollout.lakehouse.registry,
    )
    current = read_version(registry, challenger.model, challenger.version)
    if (run := current.tags.get(RUN_TAG)) != rollout.run:
        raise LakehouseError(
            f"Run {run} goes on with the roll-out of version {challenger.version} of "
            f"{challenger.model}: it began after this one, {rollout.run}, which stops. Look there "
            "for how it ends."
        )
    if current.rejection is not None:
        take_back(rollout, current.rejection)
    number = read_aliases(registry, champion.model).get(CHAMPION)
    if number == challenger.version:
        raise LakehouseError(
            f"Version {number} of {challenger.model} is {CHAMPION} before its roll-out has ended: "
            "somebody else moved the alias. Run the job again: the endpoint then serves it alone."
        )
    if number != champion.version:
        give_up(rollout, number)
    return current


def give_up(rollout: Rollout, number: int | None) -> NoReturn:
    """End the roll-out where another version has become Champion, and have that one served.

    Raises:
        LakehouseError: Always, so that people are told.
    """
    lakehouse, challenger = rollout.lakehouse, rollout.challenger
    compared = challenger.tags.get(PREVIOUS_TAG)
    reason = (
        f"{CHAMPION} was version {compared} and is {number or 'none'} now: version "
        f"{challenger.version} was never compared with it. Run model_training"
    )
    if number is not None:
        current = read_version(lakehouse.registry, challenger.model, number)
        bring(current, current, rollout.source, lakehouse)
    end(rollout, f"given up: {reason}")
    raise LakehouseError(reason)


def take_back(rollout: Rollout, reason: str) -> NoReturn:
    """Give all traffic back to the Champion, and take the alias from the version.

    Raises:
        RolledBackError: Always, so that the run fails and people are told.
    """
    rejected = Reject(reason)
    # The first tag is what a run goes on by that was killed after it.
    rollout.tag(**{REJECTED_TAG: rejected.reason}, decision=rejected.label)
    rollout.tag(decision_reason=rejected.reason)
    leave_alone(rollout.pair, rollout.pair.champion)
    end(rollout, f"{ROLLED_BACK}: {rejected.reason}")
    # Last: by the alias the next run finds the version.
    remove_alias(rollout.lakehouse.registry, rollout.challenger, CHALLENGER)
    raise RolledBackError(
        f"Version {rollout.challenger.version} of {rollout.challenger.model} was rolled back: "
        f"{rejected.reason}"
    )


def keep(rollout: Rollout, reason: str) -> None:
    """End an A/B test that the Champion has won, or that has shown nothing."""
    kept = Keep(reason)
    # The last tag is what a run goes on by that was killed after it.
    rollout.tag(decision_reason=kept.reason, decision=kept.label)
    leave_alone(rollout.pair, rollout.pair.champion)
    end(rollout, f"kept: {kept.reason}")


def finish(rollout: Rollout) -> None:
    """Have the new Champion served alone, once the alias has moved."""
    challenger = rollout.challenger
    leave_alone(rollout.pair, rollout.pair.challenger)
    end(rollout, "finished")
    print(f"Version {challenger.version} of {challenger.model} is {CHAMPION}.")
    rollout.lakehouse.set_task_value("champion", challenger.version)


def end(rollout: Rollout, how: str) -> None:
    """Record that the roll-out is over."""
    rollout.tag(**{ENDED_TAG: Reject(how).reason})
