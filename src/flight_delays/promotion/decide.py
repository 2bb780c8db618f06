"""Verdicts on a model version, and the decision whether to promote it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final, TypeAlias

from ..config.policy import ComparisonPolicy
from ..errors import UnusableInputError
from ..evaluation.comparison import Comparison
from ..evaluation.model_types import format_figure
from .checks import Check, is_figure
from .model_version import STATUS_TAG, ModelVersion
from .rules import MeanLosses, Requirement, find_excess, require_gain

# Maximum length of a tag value in Unity Catalog.
REASON_LIMIT = 1000


@dataclass(frozen=True)
class Reasoned:
    """A decision with its reason.

    Attributes:
        reason: One line, truncated to the maximum length of a tag.
    """

    reason: str

    def __post_init__(self) -> None:
        """Convert the reason to one line.

        Raises:
            UnusableInputError: There is no reason.
        """
        line = " ".join(self.reason.split())
        if not line:
            raise UnusableInputError(
                "reason",
                got="a blank one",
                allowed="a line of text",
                remedy="Say why this was decided.",
            )
        if len(line) > REASON_LIMIT:
            line = f"{line[: REASON_LIMIT - 3]}..."
        object.__setattr__(self, "reason", line)


@dataclass(frozen=True)
class Promote(Reasoned):
    """Promote the challenger to Champion."""

    label: ClassVar[str] = "promote"


@dataclass(frozen=True)
class Keep(Reasoned):
    """Keep the Champion.

    Attributes:
        already_champion: Whether the challenger is the Champion, so that nothing was compared.
    """

    label: ClassVar[str] = "keep"

    already_champion: bool = False


@dataclass(frozen=True)
class Reject(Reasoned):
    """Reject the challenger."""

    label: ClassVar[str] = "reject"


@dataclass(frozen=True)
class NeedsApproval(Reasoned):
    """Wait for approval: the policy requires it, or the gain may come from a leak."""

    label: ClassVar[str] = "needs_approval"


@dataclass(frozen=True)
class Validated(Reasoned):
    """A verdict with all checks, including those that passed."""

    status: ClassVar[str]

    checks: tuple[Check, ...]


class Passed(Validated):
    """All checks passed."""

    status = "PASSED"


class Failed(Validated):
    """At least one check failed."""

    status = "FAILED"


Decision: TypeAlias = Promote | Keep | Reject | NeedsApproval
Verdict: TypeAlias = Passed | Failed


CHALLENGER: Final = "Challenger"
CHAMPION: Final = "Champion"


def precheck(challenger: ModelVersion, champion: ModelVersion | None) -> Keep | Reject | None:
    """Return the decision if no comparison is needed, else None.

    A Champion without a recorded as_of is compared too: rejecting would keep it for ever. If it was
    trained later than the Challenger, it was trained on the rows of the comparison, which biases
    the comparison in favour of the Champion only.
    """
    refusal = _find_refusal(challenger, champion)
    if refusal:
        return Reject(f"Version {challenger.version} may not be promoted: {refusal}")
    if champion is not None and champion.version == challenger.version:
        return Keep(
            f"Version {challenger.version} is already {CHAMPION}: nothing is compared; the "
            "endpoint is updated if it serves another",
            already_champion=True,
        )
    return None


def decide(
    challenger: ModelVersion,
    champion: ModelVersion | None,
    comparison: Comparison | None,
    policy: ComparisonPolicy,
    *,
    losses: MeanLosses | None,
    holdout_start: datetime,
    approved: bool = False,
) -> Decision:
    """Decide whether to promote the challenger.

    `champion` is None only if the model has no such alias; `comparison` is then with the heuristic
    baseline, and None only if `precheck` decides without it. `losses` are those of challenger and
    heuristic baseline on the same rows, which begin at `holdout_start`; `approved` means that a
    person approved this comparison.
    """
    screened = precheck(challenger, champion)
    if screened is not None:
        return screened
    version = f"Version {challenger.version}"
    flaw = _find_flaw(comparison)
    if comparison is None or flaw:
        return Reject(f"{version} may not be promoted: {flaw}")
    asked = require_gain(challenger, champion, policy)
    figures = _write_figures(comparison, asked)
    is_enough = comparison.low > asked.bound
    if champion is None:
        baseline, limit = "the heuristic baseline", policy.first_max_gain
        if not is_enough:
            return Reject(
                f"{version} is not significantly better than the heuristic baseline: {figures}"
            )
        if not comparison.low <= limit and not approved:
            return _ask_about_gain(
                f"{version} is better than {baseline}", comparison.low, limit, "first_max_gain",
                comparison.unit, figures,
            )  # fmt: skip
        return Promote(
            f"{version} is significantly better than {baseline}, no {CHAMPION} yet: {figures}"
        )
    incumbent = f"{CHAMPION} version {champion.version}"
    figures += _write_reservations(champion, incumbent, holdout_start)
    kept = f"{incumbent} is kept: version {challenger.version}"
    if comparison.identical:
        return Keep(f"{kept} predicts the same for every row: {figures}")
    if not is_enough:
        lack = "not significantly better"
        if asked.rule == "non-inferiority":
            lack = "a retrained Champion and may be worse by the margin"
        return Keep(f"{kept} is {lack}: {figures}")
    excess = find_excess(comparison, champion, losses)
    if not excess <= policy.max_gain and not approved:
        return _ask_about_gain(
            f"{version} is better than {incumbent}", excess, policy.max_gain, "max_gain",
            comparison.unit, figures,
        )  # fmt: skip
    if asked.rule == "non-inferiority":
        return Promote(
            f"{version} is {incumbent} retrained on later rows, and is not worse by the margin: "
            f"{figures}"
        )
    return Promote(f"{version} is significantly better than {incumbent}: {figures}")


def expect_decision(
    version: ModelVersion,
    champion: ModelVersion | None,
    comparison: Comparison,
    policy: ComparisonPolicy,
    *,
    number: int,
    losses: MeanLosses | None,
    holdout_start: datetime,
    passed: bool = False,
) -> Decision:
    """Return the decision to expect if a version had the alias Challenger.

    It may be a version of another model.

    `number` is the one it would have in the Champion's model; `passed` assumes that it has passed
    validation; the rest is as in `decide`.
    """
    tags = {**version.tags, STATUS_TAG: Passed.status} if passed else version.tags
    newest = replace(version, version=number, aliases=frozenset({CHALLENGER}), tags=tags)
    return decide(newest, champion, comparison, policy, losses=losses, holdout_start=holdout_start)


def _ask_about_gain(
    what: str, excess: float, limit: float, setting: str, unit: str, figures: str
) -> NeedsApproval:
    """Return the request to approve a suspiciously large gain."""
    return NeedsApproval(
        f"{what} by {format_figure(excess, unit)} at least, more than the limit "
        f"comparison.{setting}, {format_figure(limit, unit)}. Look in training.html for an input "
        "that is known too late. If the gain is real, approve the version, or raise "
        f"comparison.{setting} in the policy, have it reviewed and run the job again: {figures}"
    )


def _find_refusal(challenger: ModelVersion, champion: ModelVersion | None) -> str | None:
    if challenger.status != Passed.status:
        return (
            f"its validation status is {challenger.status!r}, only {Passed.status!r} is promoted; "
            "run validate on it"
        )
    if challenger.rejection is not None:
        return f"it was taken back: {challenger.rejection}; train again"
    if CHALLENGER not in challenger.aliases:
        return (
            f"it does not carry the alias {CHALLENGER}; run validate on it, or deploy the version "
            "that carries it"
        )
    if challenger.as_of is None:
        return "its as_of is not recorded; train again"
    is_champion = champion is not None and champion.version == challenger.version
    if (CHAMPION in challenger.aliases) != is_champion or (
        champion is not None and CHAMPION not in champion.aliases
    ):
        return f"the aliases disagree on which version is {CHAMPION}; run deploy again"
    if champion is not None and champion.as_of is not None and champion.as_of > challenger.as_of:
        return (
            f"it was trained as of {challenger.as_of.isoformat()}, {CHAMPION} version "
            f"{champion.version} as of {champion.as_of.isoformat()}; train as of a later instant"
        )
    return None


def _find_flaw(comparison: Comparison | None) -> str | None:
    if comparison is None:
        return "it was compared with nothing; score the held-out rows first"
    figures = {
        "gain": comparison.gain,
        "low": comparison.low,
        "high": comparison.high,
        "challenger_loss": comparison.challenger_loss,
        "incumbent_loss": comparison.incumbent_loss,
    }
    wrong = [f"{name} {value}" for name, value in figures.items() if not is_figure(value)]
    if wrong:
        return f"its comparison is not finite ({', '.join(wrong)}); look at the predictions"
    if comparison.low > comparison.high:
        return f"the interval of its comparison is reversed: {comparison.low} to {comparison.high}"
    return None


def _write_figures(comparison: Comparison, asked: Requirement) -> str:
    unit = comparison.unit
    return (
        f"{comparison.loss} {format_figure(comparison.challenger_loss)} against "
        f"{format_figure(comparison.incumbent_loss, unit)} on {comparison.rows:,} held-out rows, "
        f"lower on {comparison.wins:,} of {comparison.blocks:,} days, gain "
        f"{format_figure(comparison.gain, unit)} "
        f"({100 * comparison.confidence:.4g}% interval {format_figure(comparison.low)} to "
        f"{format_figure(comparison.high, unit)}); its lower bound must exceed "
        f"{format_figure(asked.bound, unit)} ({asked.rule})"
    )


def _write_reservations(champion: ModelVersion, incumbent: str, holdout_start: datetime) -> str:
    """Return why the comparison is, or may be, biased in favour of the Champion."""
    until = champion.learned_until
    if champion.as_of is None or until is None:
        return f"; {incumbent} may have been trained on held-out rows: no tag learned_until"
    if until > holdout_start:
        return f"; {incumbent} was trained on some held-out rows, those until {until.isoformat()}"
    return ""
