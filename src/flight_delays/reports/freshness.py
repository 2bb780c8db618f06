"""The section that says what fresher features would bring."""

from datetime import timedelta

from ..evaluation.freshness import Freshness
from ..promotion.checks import show
from .charts import show_figure
from .page import write_paragraph, write_table


def write_freshness(found: Freshness) -> list[str]:
    """Return the figures with features as old as served and with fresh ones, and what that says."""
    judged, fresh = found.judged[found.loss], found.fresh[found.loss]
    hours = found.greatest_age / timedelta(hours=1)
    words = (
        "This version is judged with features as a request finds them, computed up to "
        f"{hours:g} hours before the decision. With features as fresh as the decision: "
        f"{found.loss} {_show(fresh, found.unit)} instead of {_show(judged, found.unit)}; "
    )
    if found.gain > 0:
        words += f"refreshing more often would bring at most {show(found.gain, found.unit)}."
    else:
        words += "refreshing more often would bring nothing."
    rows = [(name, _show(found.judged[name]), _show(found.fresh[name])) for name in found.judged]
    return [
        write_paragraph(words),
        write_table(("", "Features as served", "Features as fresh as the decision"), rows),
    ]


def _show(figure: float | None, unit: str = "") -> str:
    if figure is None:
        return "not measured"
    return f"{show_figure(figure)} {unit}".rstrip()
