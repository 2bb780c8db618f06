"""A dashboard as one self-contained HTML page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..errors import LaptopError
from .charts import draw, list_series, show
from .definition import FILTER, TEXT, Definition, Page, Widget
from .queries import Answer, Ask, Cell, run_query

# Size of a grid cell, excluding frame and title.
COLUMN_INCHES, ROW_INCHES = 1.1, 0.56
MOST_ROWS = 200
SHORT = 24


@dataclass
class Drawn:
    """The rendered content of a widget."""

    kind: str
    name: str
    title: str
    x: int
    y: int
    width: int
    height: int
    error: str = ""
    value: str = ""
    svg: str = ""
    lines: list[tuple[int, str]] = field(default_factory=list)
    columns: list[Mapping[str, str]] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def write_page(
    definition: Definition, ask: Ask, *, title: str, place: str, drawn_at: datetime
) -> tuple[str, dict[str, str]]:
    """Return the page and the errors by widget name.

    Args:
        definition: The dashboard.
        ask: Runs a statement in the dashboard's catalog and schema.
        title: The dashboard's name.
        place: The catalog and schema.
        drawn_at: Current time.
    """
    pages = [
        {"title": page.title, "widgets": [draw_widget(each, definition, ask) for each in by_place]}
        for page, by_place in ((page, order(page)) for page in definition.pages)
    ]
    drawn: Iterator[Drawn] = (each for page in pages for each in page["widgets"])  # type: ignore[misc]
    failed = {each.name: each.error for each in drawn if each.error}
    environment = Environment(
        loader=PackageLoader(__package__, ""), autoescape=True, undefined=StrictUndefined
    )
    template = environment.get_template("page.html.j2")
    now = f"{drawn_at:%Y-%m-%d %H:%M} UTC"
    return template.render(title=title, place=place, drawn_at=now, pages=pages), failed


def order(page: Page) -> list[Widget]:
    """Return a page's widgets in reading order."""
    return sorted(page.widgets, key=lambda each: (each.y, each.x))


def draw_widget(widget: Widget, definition: Definition, ask: Ask) -> Drawn:
    """Render a widget; if its query fails, the content is the error."""
    kind = {"bar": "chart", "line": "chart", FILTER: "filter"}.get(widget.kind, widget.kind)
    drawn = Drawn(kind, widget.name, widget.title, widget.x, widget.y, widget.width, widget.height)
    if widget.kind == TEXT:
        drawn.lines = list(read_lines(widget.lines))
        return drawn
    try:
        answers = {
            name: run_query(ask, definition.datasets[query.dataset], query)
            for name, query in widget.queries.items()
        }
        (answer, *_) = answers.values()
        if kind == "chart":
            drawn.svg = draw_chart(widget, answer)
        elif kind == "counter":
            rows = answer.rows
            drawn.value = show(rows[0][widget.encodings["value"]["fieldName"]] if rows else None)
        elif kind == "filter":
            drawn.value = describe_range(widget, answers)
        else:
            drawn.columns, drawn.rows = list_cells(widget, answer)
    except LaptopError as error:
        drawn.error = str(error)
    return drawn


def draw_chart(widget: Widget, answer: Answer) -> str:
    """Return a chart, or an empty string without data."""
    x, y = widget.encodings["x"]["fieldName"], widget.encodings["y"]
    values = [
        (each["fieldName"], each.get("displayName", each["fieldName"]))
        for each in y.get("fields") or [y]
    ]
    colour = widget.encodings.get("color", {}).get("fieldName")
    series = list_series(answer, x, values, colour)
    if not series:
        return ""
    size = (widget.width * COLUMN_INCHES, widget.height * ROW_INCHES - 0.35)
    return draw(widget.kind, series, size=size, y_title=y.get("displayName", ""))


def describe_range(widget: Widget, answers: Mapping[str, Answer]) -> str:
    """Return the displayed date range, which is the full one without a selection."""
    found: list[date] = []
    for each in widget.encodings["fields"]:
        for cell in answers[each["queryName"]].column(each["fieldName"]):
            if isinstance(cell, datetime):
                found.append(cell.date())
            elif isinstance(cell, date):
                found.append(cell)
    return f"{min(found):%Y-%m-%d} to {max(found):%Y-%m-%d}" if found else "No dates yet"


def list_cells(widget: Widget, answer: Answer) -> tuple[list[Mapping[str, str]], list[list[str]]]:
    """Return a table's columns and its first rows."""
    columns: list[Mapping[str, str]] = []
    cells = []
    for each in widget.encodings["columns"]:
        values = answer.column(each["fieldName"])[:MOST_ROWS]
        title = each.get("displayName", each["fieldName"])
        columns.append({"title": title, "style": choose_style(values)})
        cells.append([show(value) for value in values])
    return columns, [list(row) for row in zip(*cells, strict=True)]


def choose_style(values: list[Cell]) -> str:
    """Return a column's style: right-aligned numbers, short texts on one line."""
    if any(isinstance(value, int | float) for value in values):
        return "number"
    return "short" if max((len(show(value)) for value in values), default=0) <= SHORT else "long"


def read_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text with their heading levels; 0 for a paragraph."""
    for line in filter(None, map(str.strip, text.splitlines())):
        marks = len(line) - len(line.lstrip("#"))
        yield (max(2, min(marks, 3)) if marks else 0), line.lstrip("#").strip()
