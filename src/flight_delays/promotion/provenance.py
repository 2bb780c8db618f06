"""Policy and data of a validation, so that deploy detects a mismatch."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from .checks import Check
from .decide import CHAMPION
from .model_version import TRAINING_DIGEST_TAG, ModelVersion


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Policy and rows of a validation.

    Attributes:
        digest: Digest of code, hyperparameters and policy.
        as_of: The instant as of which the version was trained.
        start: The first instant of the held-out rows.
        end: The exclusive end.
        content: Hash of their keys and labels.
    """

    digest: str
    as_of: datetime
    start: datetime
    end: datetime
    rows: int
    content: str

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags of a version that record it."""
        return {
            "validated_digest": self.digest,
            "validated_as_of": self.as_of.isoformat(),
            "validated_holdout": f"{self.start.isoformat()} to {self.end.isoformat()}",
            "validated_rows": str(self.rows),
            "validated_content": self.content,
        }


# Message for each tag that differs.
WHAT = {
    "validated_digest": "code, hyperparameters or policy have changed",
    "validated_as_of": "its as_of has changed",
    "validated_holdout": "the bounds of the holdout have changed",
    "validated_rows": "the number of held-out rows has changed",
    "validated_content": "keys or labels of the holdout have changed",
}


def find_mismatch(version: ModelVersion, now: Provenance) -> str | None:
    """Return the differences from the recorded validation; None if there are none."""
    wrong = [
        f"{WHAT[tag]} ({tag} is {value}, validate recorded {version.tags.get(tag, 'nothing')})"
        for tag, value in now.tags.items()
        if version.tags.get(tag) != value
    ]
    if not wrong:
        return None
    is_made_otherwise = now.digest != version.tags.get("validated_digest")
    remedy = "run model_training again" if is_made_otherwise else "run validate on it again"
    return f"it was validated by something else: {'; '.join(wrong)}; {remedy}"


def find_overlap(version: ModelVersion, start: datetime) -> str | None:
    """Return why a version's training did not end where its holdout begins; None if it did.

    The Champion may have been trained with another policy, until an earlier instant.
    """
    until = version.learned_until
    if until is None:
        return "its tag learned_until is not recorded; train again"
    if until == start or (until < start and CHAMPION in version.aliases):
        return None
    where = "inside" if until > start else "not up to"
    return (
        f"it learned from labels until {until.isoformat()}, {where} the holdout, which begins "
        f"{start.isoformat()}; train and validate with the same policy"
    )


def check_origin(
    version: ModelVersion,
    *,
    experiment: str,
    expected_experiment: str,
    creator: str,
    principal: str,
    digest: str,
    start: datetime,
    flaws: Iterable[str] = (),
) -> tuple[Check, ...]:
    """Check that this job trained a version, with the current code and before the holdout.

    The Champion may have been trained with earlier code.

    `creator` registered the version, `principal` runs this task; the training ends at `start`;
    `flaws` say why its run or its artifact are no proof of its origin.
    """
    flaws = list(flaws)
    if experiment != expected_experiment:
        flaws.append(
            f"its run is of the experiment {experiment!r}, this job's is {expected_experiment!r}"
        )
    # The two services may differ in upper and lower case.
    if creator.casefold() != principal.casefold():
        flaws.append(f"{creator!r} registered it, this job runs as {principal!r}")
    overlap = find_overlap(version, start)
    is_of_now = version.training_digest == digest or CHAMPION in version.aliases
    return (
        Check(
            name="origin",
            ok=not flaws,
            detail=f"{' and '.join(flaws)}: train it by this job"
            if flaws
            else f"registered by {creator}, from a run of {experiment}",
        ),
        Check(
            name="training_digest",
            ok=is_of_now,
            detail="it was made by the code, hyperparameters and policy that it is validated by"
            if version.training_digest == digest
            else f"its tag {TRAINING_DIGEST_TAG} is {version.training_digest or 'not there'}, "
            f"but the current code, hyperparameters and policy have {digest}: train again",
        ),
        Check(
            name="learned_until",
            ok=not overlap,
            detail=overlap or f"it learned from labels known before {version.learned_until}",
        ),
    )


def hash_rows(rows: pd.DataFrame, columns: Sequence[str]) -> str:
    """Return the SHA-256 of some columns, independent of the order of rows."""
    lines = sorted("\x1f".join(map(str, values)) for values in rows[list(columns)].to_numpy())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
