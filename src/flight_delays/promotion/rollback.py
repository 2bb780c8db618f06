"""Manual rollback to an earlier Champion: target version and hold time."""

from datetime import datetime, timedelta

from ..errors import UnusableInputError
from .decide import Keep, Passed
from .model_version import HELD_UNTIL_TAG, ModelVersion

PREVIOUS_TAG = "previous_champion"
REMEDY = "Name a version that has passed: databricks bundle run rollback --params to_version=3"


def choose_version(champion: ModelVersion | None, to_version: str) -> int:
    """Return the version to roll back to: `to_version`, or by default the previous Champion.

    Raises:
        UnusableInputError: `to_version` is not a number, or no previous Champion is recorded.
    """
    asked = to_version.strip()
    if asked:
        if not asked.isdecimal() or int(asked) < 1:
            raise UnusableInputError(
                "to_version", got=repr(asked), allowed="the number of a version", remedy=REMEDY
            )
        return int(asked)
    former = champion.tags.get(PREVIOUS_TAG, "") if champion else ""
    if not former.isdecimal():
        raise UnusableInputError(
            "to_version",
            got=f"none, and no former Champion is recorded ({former or 'no tag'})",
            allowed="the number of a version",
            remedy=REMEDY,
        )
    return int(former)


def require_passed(version: ModelVersion) -> None:
    """Check that a version has passed validation.

    Raises:
        UnusableInputError: It has not.
    """
    if version.status != Passed.status:
        raise UnusableInputError(
            f"version {version.version} of {version.model}",
            got=f"validation status {version.status!r}",
            allowed=f"a version that has {Passed.status}",
            remedy=REMEDY,
        )


def plan_hold(now: datetime, days: int) -> str:
    """Return the value of the tag held_until."""
    return (now + timedelta(days=days)).isoformat(timespec="seconds")


def find_hold(champion: ModelVersion | None, now: datetime) -> Keep | None:
    """Return the decision to keep a Champion during its hold time; None after it.

    Raises:
        UnusableInputError: The tag is not an instant with a zone.
    """
    until = champion.held_until if champion else None
    if champion is None or until is None or until <= now:
        return None
    return Keep(
        f"Champion version {champion.version} was restored by hand and is held until "
        f"{until.isoformat()} (tag {HELD_UNTIL_TAG}). Delete the tag to have the next training "
        "compared again"
    )
