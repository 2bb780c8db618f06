"""Groups of rows as a whole: the `:table` rows of the metric tables."""

from dataclasses import dataclass, field
from typing import Any

from .groups import Group
from .statistics import Summary


@dataclass
class Whole:
    """Metrics of a group of rows as a whole."""

    count: int = 0
    columns: list[str] = field(default_factory=list)
    quality: dict[str, Any] = field(default_factory=dict)

    def cells(self) -> dict[str, Any]:
        """Return the profile metrics."""
        return {"count": self.count, "non_null_columns": self.columns, **self.quality}

    def compare(self, other: "Whole") -> dict[str, Any]:
        """Return the drift metrics against another group."""
        now, then = set(self.columns), set(other.columns)
        return {
            "count_delta": self.count - other.count,
            "non_null_columns_delta": {"added": len(now - then), "missing": len(then - now)},
        }


Wholes = dict[Group, Whole]
Summaries = dict[Group, Summary]


def note(wholes: Wholes, group: Group, column: str, summary: Summary) -> None:
    """Add a column's summary to the metrics of its group."""
    whole = wholes.setdefault(group, Whole())
    whole.count = summary.count
    if summary.count > summary.nulls:
        whole.columns.append(column)
