"""Manual approval of a version: the request, the answer, and whether it is still valid.

Both are tags of the version. The registry does not record who set them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from .decide import CHAMPION, Decision, NeedsApproval, Promote
from .model_version import ModelVersion

# Named after the task: the approval button of Databricks sets the tag of the task's name.
APPROVAL_TAG = "Approval_Check"
APPROVED = "Approved"
ASKED_TAG = "approval_asked"


@dataclass(frozen=True, kw_only=True)
class Approval:
    """The current approval request of a version, the recorded one, and the answer.

    Attributes:
        champion: The version that it would replace; None if there is no Champion.
        asked: The recorded request; None if there is none.
        answer: The answer; None if there is none.
    """

    version: int
    champion: int | None
    request: str
    asked: str | None
    answer: str | None

    @property
    def is_asked(self) -> bool:
        """Whether the recorded request is the current one."""
        return self.asked == self.request

    @property
    def stands(self) -> bool:
        """Whether the current request was approved."""
        return self.is_asked and self.answer == APPROVED

    @property
    def incumbent(self) -> str:
        """The version that would be replaced, as text."""
        return f"{CHAMPION} version {self.champion}" if self.champion else "the heuristic baseline"

    @property
    def missing(self) -> str:
        """Why it is not approved, in one sentence."""
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
    """Return the approval of a version.

    `champion` is None only if there is no Champion; `predictions` is the digest of the compared
    predictions, None if they were not stored.
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
    """Return the tags to remove before a new request: first the answer, then the request."""
    return tuple(tag for tag in (APPROVAL_TAG, ASKED_TAG) if tag in tags)


def apply_approval(decision: Decision, approval: Approval, *, required: bool) -> Decision:
    """Return the decision, but NeedsApproval for a promotion without a required approval."""
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
