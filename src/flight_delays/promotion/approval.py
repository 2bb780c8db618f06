"""What a person is asked to approve, and whether the answer still holds.

Request and answer are two tags of the version. The registry does not record who set them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from .decide import CHAMPION, Decision, NeedsApproval, Promote
from .model_version import ModelVersion

# The key is that of the task that reads it: Databricks' button sets the tag of its task's name.
APPROVAL_TAG = "Approval_Check"
APPROVED = "Approved"
ASKED_TAG = "approval_asked"


@dataclass(frozen=True, kw_only=True)
class Approval:
    """What has to be approved of a version now, what was asked for, and the answer.

    Attributes:
        version: The version.
        champion: The version that it would replace; None where there is no Champion.
        request: What is to be approved, as it is recorded.
        asked: What was recorded; None where nobody was asked.
        answer: What a person has answered; None where there is no answer.
    """

    version: int
    champion: int | None
    request: str
    asked: str | None
    answer: str | None

    @property
    def is_asked(self) -> bool:
        """Whether this very request was recorded."""
        return self.asked == self.request

    @property
    def stands(self) -> bool:
        """Whether this very request was approved."""
        return self.is_asked and self.answer == APPROVED

    @property
    def incumbent(self) -> str:
        """The version that would be replaced, in words."""
        return f"{CHAMPION} version {self.champion}" if self.champion else "the heuristic baseline"

    @property
    def lack(self) -> str:
        """Why it does not stand, in one sentence."""
        if not self.is_asked and self.asked is not None:
            return (
                f"The approval asked for before was of {self.asked}; since then {CHAMPION} or the "
                f"validation has changed: now it is of {self.request}."
            )
        if self.answer is None:
            return "Nobody has approved it yet."
        if not self.is_asked:
            return f"Its tag {APPROVAL_TAG} was set before an approval was asked for."
        return f"Its tag {APPROVAL_TAG} is {self.answer!r}; only {APPROVED!r} approves it."


def read_approval(version: ModelVersion, champion: int | None, predictions: str | None) -> Approval:
    """Return what has to be approved of a version, and whether it was.

    Args:
        version: The version.
        champion: The version that is Champion now; None only where there is none.
        predictions: Digest of the predictions that were compared; None where none were kept.
    """
    request = {"version": version.version, "champion": champion, "predictions": predictions}
    return Approval(
        version=version.version,
        champion=champion,
        request=json.dumps(request),
        asked=version.tags.get(ASKED_TAG),
        answer=version.tags.get(APPROVAL_TAG),
    )


def find_answered(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the tags to remove before anything is asked: the answer first, then the request."""
    return tuple(tag for tag in (APPROVAL_TAG, ASKED_TAG) if tag in tags)


def apply_approval(decision: Decision, approval: Approval, *, required: bool) -> Decision:
    """Return a decision that promotes only what was approved, where that is required.

    Args:
        decision: What the gate decides.
        approval: Of that version against the Champion it was compared with.
        required: Whether a promotion needs an approval.
    """
    if not isinstance(decision, Promote):
        return decision
    if approval.stands:
        return Promote(f"Approved. {decision.reason}")
    if required:
        return NeedsApproval(
            f"Version {approval.version} may become {CHAMPION} once a person approves it against "
            f"{approval.incumbent}: {decision.reason}"
        )
    return decision
