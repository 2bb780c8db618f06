"""Whether a challenger becomes champion."""

from dataclasses import dataclass, replace
from datetime import datetime

from .checks import is_figure, show
from .comparison import Comparison
from .decisions import Decision, Keep, Passed, Promote, Reject
from .errors import UnusableInputError

CHALLENGER = "Challenger"
CHAMPION = "Champion"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What the registry says of a model version.

    Attributes:
        version: Its number.
        status: Its recorded validation status; None where there is none.
        aliases: All aliases it carries.
        as_of: The instant before which it was trained, with a zone; None where it is not recorded.
    """

    version: int
    status: str | None
    aliases: frozenset[str]
    as_of: datetime | None

    def __post_init__(self) -> None:
        """Refuse an instant without a zone.

        Raises:
            UnusableInputError: Such an instant.
        """
        if self.as_of is not None and self.as_of.utcoffset() is None:
            raise UnusableInputError(
                f"as_of of version {self.version}",
                got=self.as_of.isoformat(),
                allowed="an instant with a zone, as 2013-11-01T00:00:00+00:00",
                remedy="Read it as UTC.",
            )


def screen(challenger: Candidate, champion: Candidate | None) -> Keep | Reject | None:
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
    challenger: Candidate,
    champion: Candidate | None,
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
            heuristic; None where `screen` decides without.
        min_gain: What the lower bound of the gain must exceed to replace a champion, in
            the unit of the loss.
        first_min_gain: The same against the heuristic.
    """
    screened = screen(challenger, champion)
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
            return Promote(f"{version} beats the business heuristic, no {CHAMPION} yet: {figures}")
        return Reject(f"{version} does not surely beat the business heuristic: {figures}")
    rival = f"{CHAMPION} version {champion.version}"
    if champion.as_of is None:
        figures = f"{figures}; the as_of of {rival} is not recorded"
    if comparison.low > asked:
        return Promote(f"{version} beats {rival}: {figures}")
    return Keep(f"{rival} stays, version {challenger.version} does not surely beat it: {figures}")


def foresee(
    visitor: Candidate,
    champion: Candidate,
    comparison: Comparison,
    *,
    number: int,
    min_gain: float,
) -> Decision:
    """Decide on a version of another model as if it stood beside the champion.

    Its number and its aliases are those of its own model: here it would have another number, and
    challenge if it has passed.

    Args:
        visitor: The version of the other model.
        champion: The version that stands.
        comparison: One against the other.
        number: The number it would have beside the champion.
        min_gain: As in `decide`.
    """
    newest = replace(visitor, version=number, aliases=frozenset({CHALLENGER}))
    return decide(newest, champion, comparison, min_gain=min_gain, first_min_gain=min_gain)


def _find_refusal(challenger: Candidate, champion: Candidate | None) -> str | None:
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
        f"{comparison.loss} {show(comparison.challenger_loss)} against "
        f"{show(comparison.incumbent_loss, unit)} on {comparison.rows:,} held-out rows in "
        f"{comparison.blocks:,} blocks, gain {show(comparison.gain, unit)} "
        f"({100 * comparison.confidence:.4g}% interval {show(comparison.low)} to "
        f"{show(comparison.high, unit)}), more than {show(asked, unit)} asked of its lower bound"
    )
