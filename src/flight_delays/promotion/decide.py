"""What is decided about a model version, and whether a challenger becomes champion."""

from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from ..errors import UnusableInputError
from ..evaluation.bootstrap import Comparison
from ..evaluation.model_types import format_figure
from .checks import Check, is_figure
from .model_version import ModelVersion

# Unity Catalog's limit for the value of a tag.
REASON_LIMIT = 1000


@dataclass(frozen=True)
class Reasoned:
    """A decision and why it was taken.

    Attributes:
        reason: One line, cut to what a tag of Unity Catalog holds.
    """

    reason: str

    def __post_init__(self) -> None:
        """Bring the reason to one line.

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
    """The challenger becomes champion."""

    label: ClassVar[str] = "promote"


@dataclass(frozen=True)
class Keep(Reasoned):
    """The champion stays.

    Attributes:
        already_champion: The challenger is that champion: nothing was compared.
    """

    label: ClassVar[str] = "keep"

    already_champion: bool = False


@dataclass(frozen=True)
class Reject(Reasoned):
    """The challenger may not be promoted."""

    label: ClassVar[str] = "reject"


@dataclass(frozen=True)
class Passed(Reasoned):
    """Every check holds.

    Attributes:
        checks: All that was checked.
    """

    status: ClassVar[str] = "PASSED"

    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Failed(Reasoned):
    """At least one check does not hold.

    Attributes:
        checks: All that was checked, what holds included.
    """

    status: ClassVar[str] = "FAILED"

    checks: tuple[Check, ...]


Decision: TypeAlias = Promote | Keep | Reject
Verdict: TypeAlias = Passed | Failed


CHALLENGER = "Challenger"
CHAMPION = "Champion"


def precheck(challenger: ModelVersion, champion: ModelVersion | None) -> Keep | Reject | None:
    """Decide what needs no comparison; None where the two are to be compared.

    A Champion whose as_of is not recorded is compared all the same. Were it trained later than the
    Challenger, it would know the very rows it is compared on: that favours the Champion alone. And
    to reject would keep a champion of unknown origin for ever.
    """
    refusal = _find_refusal(challenger, champion)
    if refusal:
        return Reject(f"Version {challenger.version} may not be promoted: {refusal}")
    if champion is not None and champion.version == challenger.version:
        return Keep(
            f"Version {challenger.version} is already {CHAMPION}: nothing to compare, only to "
            "bring the endpoint to it",
            already_champion=True,
        )
    return None


def decide(
    challenger: ModelVersion,
    champion: ModelVersion | None,
    comparison: Comparison | None,
    *,
    min_gain: float,
    first_min_gain: float,
) -> Decision:
    """Decide whether the challenger becomes champion.

    Args:
        challenger: The version that asks to be promoted.
        champion: The version that stands; None only where the model has no such alias.
        comparison: Challenger against champion or, where there is none, against the business
            heuristic; None where `precheck` decides without.
        min_gain: What the lower bound of the gain must exceed to replace a champion, in
            the unit of the loss.
        first_min_gain: The same against the heuristic.
    """
    screened = precheck(challenger, champion)
    if screened is not None:
        return screened
    version = f"Version {challenger.version}"
    flaw = _find_flaw(comparison)
    if comparison is None or flaw:
        return Reject(f"{version} may not be promoted: {flaw}")
    asked = first_min_gain if champion is None else min_gain
    if not is_figure(asked) or asked < 0:
        return Reject(
            f"{version} may not be promoted: the policy asks for a gain of {asked}; give 0 or more"
        )
    figures = _write_figures(comparison, asked)
    if champion is None:
        if comparison.low > asked:
            return Promote(
                f"{version} is significantly better than the heuristic baseline, no {CHAMPION} "
                f"yet: {figures}"
            )
        return Reject(
            f"{version} is not significantly better than the heuristic baseline: {figures}"
        )
    incumbent = f"{CHAMPION} version {champion.version}"
    if champion.as_of is None:
        figures = f"{figures}; the as_of of {incumbent} is not recorded"
    if comparison.low > asked:
        return Promote(f"{version} is significantly better than {incumbent}: {figures}")
    return Keep(
        f"{incumbent} stays, version {challenger.version} is not significantly better: {figures}"
    )


def simulate_decision(
    version: ModelVersion,
    champion: ModelVersion,
    comparison: Comparison,
    *,
    number: int,
    min_gain: float,
) -> Decision:
    """Decide on a version of another model as if it stood beside the champion.

    Its number and its aliases are those of its own model: here it would have another number, and
    challenge if it has passed.

    Args:
        version: The version of the other model.
        champion: The version that stands.
        comparison: One against the other.
        number: The number it would have beside the champion.
        min_gain: As in `decide`.
    """
    newest = replace(version, version=number, aliases=frozenset({CHALLENGER}))
    return decide(newest, champion, comparison, min_gain=min_gain, first_min_gain=min_gain)


def _find_refusal(challenger: ModelVersion, champion: ModelVersion | None) -> str | None:
    if challenger.status != Passed.status:
        return (
            f"its validation status is {challenger.status!r}, only {Passed.status!r} is promoted; "
            "run validate on it"
        )
    if CHALLENGER not in challenger.aliases:
        return f"it does not carry the alias {CHALLENGER}; validate gives it, or a later one has it"
    if challenger.as_of is None:
        return "its as_of is not recorded; train it anew"
    is_champion = champion is not None and champion.version == challenger.version
    if (CHAMPION in challenger.aliases) != is_champion or (
        champion is not None and CHAMPION not in champion.aliases
    ):
        return f"the aliases read do not agree on who is {CHAMPION}; run deploy again"
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
        return f"its comparison has bounds the wrong way, {comparison.low} to {comparison.high}"
    return None


def _write_figures(comparison: Comparison, asked: float) -> str:
    unit = comparison.unit
    return (
        f"{comparison.loss} {format_figure(comparison.challenger_loss)} against "
        f"{format_figure(comparison.incumbent_loss, unit)} on {comparison.rows:,} held-out rows in "
        f"{comparison.blocks:,} blocks, gain {format_figure(comparison.gain, unit)} "
        f"({100 * comparison.confidence:.4g}% interval {format_figure(comparison.low)} to "
        f"{format_figure(comparison.high, unit)}), more than {format_figure(asked, unit)} asked of "
        "its lower bound"
    )
