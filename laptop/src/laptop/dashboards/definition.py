"""Parser and validator of `.lvdash.json` files."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import LaptopError

# Supported widgets and the versions of their specifications.
VERSIONS = {"bar": 3, "counter": 2, "filter-date-range-picker": 2, "line": 3, "table": 2}
TEXT = "text"
FILTER = "filter-date-range-picker"
COLUMNS = 12
LAYOUT = "GRID_V1"
LONGEST_NAME = 60

_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_NAME}}}")
_COLUMN = re.compile(r"`[^`]+`")
_AGGREGATE = re.compile(
    r"(SUM|AVG|MIN|MAX|COUNT)\(`[^`]+`\)|COUNT\(DISTINCT `[^`]+`\)", re.IGNORECASE
)
_TRUNCATED = re.compile(r'DATE_TRUNC\("(DAY|WEEK|MONTH|QUARTER|YEAR|HOUR)", `[^`]+`\)', re.I)


class DashboardRefused(LaptopError):
    """A definition that is invalid or broken on Databricks, or not supported here."""


@dataclass(frozen=True)
class Query:
    """A widget's query of a dataset.

    Attributes:
        dataset: The dataset's name.
        fields: Expressions by the name used in encodings.
        disaggregated: Whether rows are returned without grouping.
    """

    dataset: str
    fields: Mapping[str, str]
    disaggregated: bool

    @property
    def grouped(self) -> list[str]:
        """The expressions of the GROUP BY clause."""
        return [each for each in self.fields.values() if not is_aggregate(each)]


@dataclass(frozen=True)
class Widget:
    """One widget of a page.

    Attributes:
        name: Name of the widget.
        kind: The `widgetType`, or `text`.
        title: Displayed title, or blank.
        lines: Text of a text widget.
        queries: Queries by name.
        encodings: Fields by visual property.
        x: First column in the grid.
        y: First row in the grid.
        width: Width in columns.
        height: Height in rows.
        version: Version of the specification.
        selects: Whether a filter has a default selection.
    """

    name: str
    kind: str
    title: str
    lines: str
    queries: Mapping[str, Query]
    encodings: Mapping[str, Any]
    x: int
    y: int
    width: int
    height: int
    version: int | None = None
    selects: bool = False


@dataclass(frozen=True)
class Page:
    """A page of a dashboard."""

    name: str
    title: str
    layout: str
    widgets: tuple[Widget, ...]


@dataclass(frozen=True)
class Definition:
    """A dashboard: SQL by dataset name, and pages."""

    datasets: Mapping[str, str]
    pages: tuple[Page, ...]
    names: tuple[str, ...] = field(default=(), repr=False)


def read_definition(text: str) -> Definition:
    """Parse and validate a dashboard's file.

    Raises:
        DashboardRefused: The file is invalid; the message lists all broken rules.
    """
    try:
        raw = json.loads(text)
        datasets = {each["name"]: "".join(each["queryLines"]) for each in raw.get("datasets", [])}
        names = tuple(each["name"] for each in raw.get("datasets", []))
        pages = tuple(_read_page(each) for each in raw.get("pages", []))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DashboardRefused(
            f"The file is not as a dashboard's is: {type(error).__name__}: {error}."
        ) from None
    definition = Definition(datasets, pages, names)
    problems = [*_find_absent(raw), *find_problems(definition)]
    if problems:
        raise DashboardRefused("\n".join(problems))
    return definition


def _find_absent(raw: Mapping[str, Any]) -> Iterator[str]:
    for each in raw.get("datasets", []):
        if each.get("parameters"):
            yield f"Parameters, as dataset {each['name']} has, are not supported on the laptop."
    for each in raw.get("pages", []):
        if each.get("pageType", "PAGE_TYPE_CANVAS") != "PAGE_TYPE_CANVAS":
            yield (
                f"Page {each['name']}: pages of {each['pageType']} are not supported on the laptop."
            )


def _read_page(raw: Mapping[str, Any]) -> Page:
    widgets = tuple(_read_widget(each) for each in raw.get("layout", []))
    title = raw.get("displayName", raw["name"])
    return Page(raw["name"], title, raw.get("layoutVersion", ""), widgets)


def _read_widget(raw: Mapping[str, Any]) -> Widget:
    widget, position = raw["widget"], raw["position"]
    spec = widget.get("spec", {})
    frame = spec.get("frame", {})
    text = "multilineTextboxSpec" in widget
    return Widget(
        name=widget["name"],
        kind=TEXT if text else spec["widgetType"],
        title=frame.get("title", "") if frame.get("showTitle") else "",
        lines="".join(widget["multilineTextboxSpec"]["lines"]) if text else "",
        queries={each["name"]: _read_query(each["query"]) for each in widget.get("queries", [])},
        encodings=spec.get("encodings", {}),
        version=spec.get("version"),
        selects="selection" in spec,
        **{key: int(position[key]) for key in ("x", "y", "width", "height")},
    )


def _read_query(raw: Mapping[str, Any]) -> Query:
    fields = {each["name"]: each["expression"] for each in raw["fields"]}
    return Query(raw["datasetName"], fields, bool(raw.get("disaggregated", False)))


def is_aggregate(expression: str) -> bool:
    """Return whether an expression is an aggregate."""
    return _AGGREGATE.fullmatch(expression) is not None


def read_column(expression: str) -> str | None:
    """Return the column of an expression, or None if it is not a plain column."""
    return expression[1:-1] if _COLUMN.fullmatch(expression) else None


def list_encoded(widget: Widget) -> list[tuple[str, str]]:
    """Return a widget's fields, each with the name of its query; blank for the only query."""
    found: list[Mapping[str, Any]] = []
    for value in widget.encodings.values():
        if isinstance(value, list):
            found += value
        elif isinstance(value, dict):
            found += value.get("fields") or [value]
    return [(each.get("queryName", ""), each["fieldName"]) for each in found if "fieldName" in each]


def find_problems(definition: Definition) -> Iterator[str]:
    """Yield the broken rules of a definition, each as a sentence."""
    if not definition.pages:
        yield "A dashboard has at least one page."
    widgets = [(page, widget) for page in definition.pages for widget in page.widgets]
    yield from _find_repeated("dataset", definition.names)
    yield from _find_repeated("page", [page.name for page in definition.pages])
    yield from _find_repeated("widget", [widget.name for _, widget in widgets])
    for page in definition.pages:
        if page.layout != LAYOUT:
            yield f'Page {page.name}: layoutVersion must be "{LAYOUT}"; the old grid has 6 columns.'
        yield from _find_gaps(page)
    for page, widget in widgets:
        where = f"Page {page.name}, widget {widget.name}"
        yield from (f"{where}: {problem}" for problem in _check_widget(widget, definition))


def _find_repeated(what: str, names: Iterable[str]) -> Iterator[str]:
    seen = set()
    for name in names:
        if name in seen:
            yield f"Two of the kind {what} are called {name}."
        seen.add(name)


def _find_gaps(page: Page) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for widget in page.widgets:
        if (
            widget.x < 0
            or widget.x + widget.width > COLUMNS
            or min(widget.width, widget.height) < 1
        ):
            yield f"Page {page.name}: widget {widget.name} leaves the grid of {COLUMNS} columns."
            continue
        for x in range(widget.x, widget.x + widget.width):
            for y in range(widget.y, widget.y + widget.height):
                if (x, y) in taken:
                    yield f"Page {page.name}: {widget.name} lies over {taken[x, y]}."
                    return
                taken[x, y] = widget.name
    rows = range(max((y for _, y in taken), default=-1) + 1)
    gaps = [(x, y) for y in rows for x in range(COLUMNS) if (x, y) not in taken]
    if gaps:
        x, y = gaps[0]
        yield f"Page {page.name}: nothing lies at column {x}, row {y}; fill all {COLUMNS}."


def _check_widget(widget: Widget, definition: Definition) -> Iterator[str]:
    if not _NAME.fullmatch(widget.name):
        yield f"a name has at most {LONGEST_NAME} letters, digits, hyphens and underscores."
    if widget.kind == TEXT:
        return
    if widget.kind not in VERSIONS:
        yield f"widgets of type {widget.kind} are not drawn; drawn are {', '.join(VERSIONS)}."
        return
    if widget.version != VERSIONS[widget.kind]:
        wanted = VERSIONS[widget.kind]
        yield f"version of {widget.kind} must be {wanted}, got {widget.version}."
    if not widget.queries or (widget.kind != FILTER and len(widget.queries) != 1):
        yield "it must have one query; a filter may have more."
        return
    for query in widget.queries.values():
        if query.dataset not in definition.datasets:
            yield f"there is no dataset {query.dataset}."
        for expression in query.fields.values():
            if not any(each.fullmatch(expression) for each in (_COLUMN, _AGGREGATE, _TRUNCATED)):
                yield f"{expression} is neither a column, an aggregate of one nor DATE_TRUNC."
            elif query.disaggregated and read_column(expression) is None:
                yield f"{expression} needs rows that are grouped; disaggregated must be false."
    encoded = list_encoded(widget)
    if not encoded:
        yield "encodings name no field."
    (first, *_) = widget.queries
    for name, encoded_field in encoded:
        query = widget.queries.get(name or first, Query("", {}, False))
        if encoded_field not in query.fields:
            yield (
                f"encodings name {encoded_field}, which is not a field of its query "
                f"{name or first}."
            )
    if widget.kind == FILTER and any(each.disaggregated for each in widget.queries.values()):
        yield "queries of a filter must say disaggregated: false."
    if widget.selects:
        yield "a default selection of a filter is not supported on the laptop."
