"""A version of a registered model, with the tags that decisions depend on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..errors import UnusableInputError

STATUS_TAG = "model_validation_status"
PENDING = "PENDING"
AS_OF_TAG = "as_of"
MODEL_TYPE_TAG = "model_type"
LEARNED_UNTIL_TAG = "learned_until"
TRAINING_DIGEST_TAG = "training_digest"
# Why a version was rolled back; set by a failed roll-out or by hand.
REJECTED_TAG = "rejected"
# Start of each step of its roll-out, and the result.
PROGRESS_TAG, ENDED_TAG = "rollout", "rollout_ended"
# The run that continues it.
RUN_TAG = "rollout_run"
# Until when a Champion is not replaced after a manual rollback.
HELD_UNTIL_TAG = "held_until"


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A snapshot of a version of a registered model.

    The model has its full name, the run is the one that logged the version.
    """

    model: str
    version: int
    aliases: frozenset[str]
    tags: Mapping[str, str]
    description: str = ""
    run_id: str = ""

    @property
    def uri(self) -> str:
        """Its model URI."""
        return f"models:/{self.model}/{self.version}"

    @property
    def status(self) -> str | None:
        """Its recorded validation status; None if there is none."""
        return self.tags.get(STATUS_TAG)

    @property
    def as_of(self) -> datetime | None:
        """Its as_of, with a zone; None if it is not recorded.

        Raises:
            UnusableInputError: The tag is not an instant with a zone.
        """
        return self._read_instant(AS_OF_TAG)

    @property
    def learned_until(self) -> datetime | None:
        """The exclusive end of its training labels; None if it is not recorded.

        Raises:
            UnusableInputError: The tag is not an instant with a zone.
        """
        return self._read_instant(LEARNED_UNTIL_TAG)

    @property
    def is_rolling_out(self) -> bool:
        """Whether its roll-out is running."""
        return PROGRESS_TAG in self.tags and ENDED_TAG not in self.tags

    @property
    def rejection(self) -> str | None:
        """Why it was rolled back; None if it was not. An empty tag counts as a reason."""
        reason = self.tags.get(REJECTED_TAG)
        return reason if reason is None else reason.strip() or "no reason is given"

    @property
    def held_until(self) -> datetime | None:
        """The instant until which it stays Champion, with a zone; None if it is not held.

        Raises:
            UnusableInputError: The tag is not an instant with a zone.
        """
        return self._read_instant(HELD_UNTIL_TAG)

    @property
    def training_digest(self) -> str | None:
        """The digest of its code, hyperparameters and policy; None if it is not recorded."""
        return self.tags.get(TRAINING_DIGEST_TAG)

    def require_as_of(self) -> datetime:
        """Return its as_of.

        Raises:
            UnusableInputError: It is not recorded, or has no zone.
        """
        if self.as_of is None:
            there = ", ".join(sorted(self.tags)) or "none"
            raise UnusableInputError(
                f"version {self.version} of {self.model}",
                got=f"no tag '{AS_OF_TAG}'; its tags are: {there}",
                allowed="a version that train has registered",
                remedy="Train again.",
            )
        return self.as_of

    def _read_instant(self, tag: str) -> datetime | None:
        value = self.tags.get(tag)
        if value is None:
            return None
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            instant = None
        if instant is None or instant.utcoffset() is None:
            raise UnusableInputError(
                f"{tag} of version {self.version} of {self.model}",
                got=repr(value),
                allowed="an instant with a zone, such as 2013-11-01T00:00:00+00:00",
                remedy="Train again, or correct the tag.",
            )
        return instant
