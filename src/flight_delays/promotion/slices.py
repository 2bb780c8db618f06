"""Limits within slices, relative to the Champion or, without one, to the labels."""

from collections.abc import Iterator, Mapping, Sequence

from numpy.typing import ArrayLike

from ..config.policy import Slices
from ..errors import UnusableInputError
from ..evaluation.model_types import format_figure
from ..evaluation.observations import FloatArray
from ..evaluation.slices import SliceComparison, SliceSize, measure_gaps
from .checks import Check, is_figure
from .decide import Reject


def size_of(policy: Slices) -> SliceSize:
    """Return the minimum size of a slice."""
    return SliceSize(rows=policy.compared_rows, days=policy.compared_days)


def check_first_gaps(
    labels: FloatArray,
    predictions: FloatArray,
    columns: Mapping[str, ArrayLike],
    days: ArrayLike,
    policy: Slices,
    confidence: float,
) -> Iterator[Check]:
    """Compare a first Champion's mean prediction in each slice with the mean label.

    The first check counts the failed slices, each of which has a check.
    """
    limit = policy.first_max_gap
    try:
        found = measure_gaps(labels, predictions, columns, days, size=size_of(policy), limit=limit)
    except UnusableInputError as error:
        yield Check(name="slice_gaps", ok=False, detail=str(error))
        return
    wrong = [each for each in found if not each.p_value >= 1 - confidence]
    largest = max((abs(each.gap) for each in found), default=None)
    yield Check(
        name="slice_gaps",
        ok=not wrong,
        value=len(wrong),
        threshold=0,
        detail=f"in {len(wrong)} of {len(found)} slices the mean prediction is significantly more "
        f"than {format_figure(limit)} from the mean label; the largest gap is "
        f"{format_figure(largest)}",
    )
    for each in sorted(wrong, key=lambda each: -abs(each.gap)):
        yield Check(
            name=f"gap[{each.column}={each.value}]",
            ok=False,
            value=abs(each.gap),
            threshold=limit,
            detail=f"mean prediction {_write_gap(each.gap)} the mean label on {each.rows:,} rows "
            f"of {each.days} days (standard error {format_figure(each.error)}), expected at most "
            f"{format_figure(limit)} of a first Champion",
        )


def find_worse_slices(
    found: Sequence[SliceComparison], policy: Slices, confidence: float
) -> tuple[Check, ...]:
    """Return a failed check for each slice in which a challenger may not replace the Champion.

    `confidence` is that over all slices.
    """
    return tuple(check for each in found for check in _judge(each, policy, 1 - confidence))


def refuse_slices(version: int, worse: Sequence[Check]) -> Reject | None:
    """Reject a challenger with failed checks in slices; None if there are none.

    `worse` are the checks of `find_worse_slices` or, without a Champion, `check_first_gaps`.
    """
    if not worse:
        return None
    listed = "; ".join(f"{check.name}: {check.detail}" for check in worse)
    return Reject(
        f"Version {version} may not be promoted: {len(worse)} findings in slices: {listed}"
    )


def _judge(each: SliceComparison, policy: Slices, level: float) -> Iterator[Check]:
    place = f"[{each.column}={each.value}]"
    where = f"on {each.rows:,} rows of {each.days} days"
    difference = format_figure(each.difference, each.unit)
    # NaN fails both.
    if not (is_figure(each.p_value) and each.p_value >= level):
        yield Check(
            name=f"worse{place}",
            ok=False,
            value=each.difference,
            threshold=policy.margin,
            detail=f"mean {each.loss} {difference} above the Champion's {where} "
            f"({format_figure(each.low)} to {format_figure(each.high)}), significantly more than "
            f"{format_figure(policy.margin, each.unit)} (p {each.p_value:.2g})",
        )
    if not each.gap_increase <= policy.max_gap_increase:
        yield Check(
            name=f"gap{place}",
            ok=False,
            value=each.gap_increase,
            threshold=policy.max_gap_increase,
            detail=f"mean prediction {_write_gap(each.gap)} the mean label {where}, the "
            f"Champion's {_write_gap(each.incumbent_gap)} it; at most "
            f"{format_figure(policy.max_gap_increase)} further is allowed",
        )


def _write_gap(gap: float) -> str:
    return f"{format_figure(abs(gap))} {'above' if gap > 0 else 'below'}"
