"""Ownership and end of a rollout: rolled back, kept, given up or finished."""

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

# Prefix of the tag's value after a rollback.
ROLLED_BACK = "rolled back"


class RolledBackError(Exception):
    """The version was rolled back; Champion and endpoint did not change."""


@dataclass(frozen=True)
class Rollout:
    """A rollout in progress.

    Attributes:
        champion: The Champion that the version was compared with.
        pair: Both on their endpoint.
        run: Unique id of this run of the task.
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
        """Set tags on the version that is rolled out, in order."""
        tag_version(self.lakehouse.registry, self.challenger, **tags)


def claim(rollout: Rollout) -> ModelVersion:
    """Take ownership of the rollout, and return the version's present state.

    An earlier run that is still active stops at its next look.
    """
    rollout.tag(**{RUN_TAG: rollout.run})
    return require_own(rollout)


def require_own(rollout: Rollout) -> ModelVersion:
    """Return the version's present state, if this run still owns the rollout.

    Raises:
        RolledBackError: A person rolled the version back.
        LakehouseError: Another run owns the rollout, or another writer moved the alias Champion.
    """
    challenger, champion, registry = (
        rollout.challenger,
        rollout.champion,
        rollout.lakehouse.registry,
    )
    current = read_version(registry, challenger.model, challenger.version)
    if (run := current.tags.get(RUN_TAG)) != rollout.run:
        raise LakehouseError(
            f"Run {run} continues the roll-out of version {challenger.version} of "
            f"{challenger.model}: it started after this run, {rollout.run}, which stops. See that "
            "run for the result."
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
    """End the rollout because another version is Champion, and serve that one.

    Raises:
        LakehouseError: Always, to send notifications.
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
    """Give all traffic back to the Champion, and remove the version's alias.

    Raises:
        RolledBackError: Always, to fail the run and send notifications.
    """
    rejected = Reject(reason)
    try:
        # Set first: after a kill, the next run resumes from it.
        rollout.tag(**{REJECTED_TAG: rejected.reason}, decision=rejected.label)
        rollout.tag(decision_reason=rejected.reason)
    finally:
        leave_alone(rollout.pair, rollout.pair.champion)
    end(rollout, f"{ROLLED_BACK}: {rejected.reason}")
    # Last: the next run finds the version by this alias.
    remove_alias(rollout.lakehouse.registry, rollout.challenger, CHALLENGER)
    raise RolledBackError(
        f"Version {rollout.challenger.version} of {rollout.challenger.model} was rolled back: "
        f"{rejected.reason}"
    )


def keep(rollout: Rollout, reason: str) -> None:
    """End an A/B test that the Champion has won, or that is inconclusive."""
    kept = Keep(reason)
    # Set last: after a kill, the next run resumes from it.
    rollout.tag(decision_reason=kept.reason, decision=kept.label)
    leave_alone(rollout.pair, rollout.pair.champion)
    end(rollout, f"kept: {kept.reason}")


def finish(rollout: Rollout) -> None:
    """Serve the new Champion alone, once the alias has moved."""
    challenger = rollout.challenger
    leave_alone(rollout.pair, rollout.pair.challenger)
    end(rollout, "finished")
    print(f"Version {challenger.version} of {challenger.model} is {CHAMPION}.")
    rollout.lakehouse.set_task_value("champion", challenger.version)


def end(rollout: Rollout, how: str) -> None:
    """Record the end of the rollout."""
    rollout.tag(**{ENDED_TAG: Reject(how).reason})
