"""`laptop dashboard`: render the dashboards of a bundle from the workspace's tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..bundle import Bundle
from ..connection import Connection
from ..deployment import resolve_names
from ..errors import LaptopError
from ..status import run_sql
from .definition import read_definition
from .page import write_page
from .queries import read_cell


@dataclass(frozen=True)
class DrawnDashboard:
    """A written page.

    Attributes:
        name: The dashboard's name in the workspace.
        page: The file.
        failed: Errors by widget name.
    """

    name: str
    page: Path
    failed: Mapping[str, str]


def draw_dashboards(bundle: Bundle, there: Connection, folder: Path) -> Iterator[DrawnDashboard]:
    """Write a page for each dashboard of a bundle's target.

    Args:
        bundle: The resolved bundle.
        there: The workspace.
        folder: Output folder; each page gets a subfolder.

    Raises:
        LaptopError: There is no dashboard, or one is invalid.
    """
    dashboards = resolve_names(bundle).dashboards
    if not dashboards:
        raise LaptopError(
            f"Target {bundle.target} has no dashboard. Declare one under resources.dashboards."
        )
    for key, settings in dashboards.items():
        name = str(settings.get("display_name", key))
        text = str(settings.get("serialized_dashboard", ""))
        place = {
            "catalog": str(settings.get("dataset_catalog", "")),
            "schema": str(settings.get("dataset_schema", "")),
        }
        try:
            definition = read_definition(text)
        except LaptopError as error:
            file = settings.get("file_path", f"resources.dashboards.{key}")
            raise LaptopError(f"{file}:\n{error}") from None

        def ask(statement: str, place: Mapping[str, str] = place) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = run_sql(there, statement, **place)
            return answer

        html, failed = write_page(
            definition,
            ask,
            title=name,
            place=".".join(filter(None, place.values())),
            drawn_at=read_clock(there),
        )
        page = folder / key / "dashboard.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(html, encoding="utf-8")
        yield DrawnDashboard(name, page, failed)


def read_clock(there: Connection) -> datetime:
    """Return the workspace's time."""
    answer = run_sql(there, "SELECT current_timestamp() AS now")
    (column,) = answer["manifest"]["schema"]["columns"]
    now = read_cell(answer["result"]["data_array"][0][0], column["type_text"])
    assert isinstance(now, datetime)
    return now
