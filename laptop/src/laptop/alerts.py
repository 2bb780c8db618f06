"""`laptop alerts`: evaluate the alerts of a bundle now, independent of their schedules."""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape

from .bundle import Bundle
from .connection import Connection, RequestRefused
from .dashboards.queries import Cell, read_cell
from .deployment import resolve_names
from .errors import LaptopError
from .status import run_sql

TRIGGERED, OK, ERROR = "TRIGGERED", "OK", "ERROR"
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "EQUAL": lambda a, b: bool(a == b),
    "NOT_EQUAL": lambda a, b: bool(a != b),
    "GREATER_THAN": lambda a, b: bool(a > b),
    "GREATER_THAN_OR_EQUAL": lambda a, b: bool(a >= b),
    "LESS_THAN": lambda a, b: bool(a < b),
    "LESS_THAN_OR_EQUAL": lambda a, b: bool(a <= b),
}
AGGREGATIONS: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "AVG": statistics.fmean,
    "COUNT": len,
    "COUNT_DISTINCT": lambda values: len(set(values)),
    "MAX": max,
    "MEDIAN": statistics.median,
    "MIN": min,
    "STDDEV": statistics.stdev,
    "SUM": math.fsum,
}


@dataclass(frozen=True)
class Evaluation:
    """Result of an alert.

    Attributes:
        name: Display name of the alert.
        state: TRIGGERED, OK, UNKNOWN or ERROR.
        detail: The value and the threshold, or the error.
        row: First row of the result, which a notification would contain.
        notified: Subscribers to notify if the alert is triggered.
        paused: Whether the schedule is paused.
    """

    name: str
    state: str
    detail: str
    row: Mapping[str, Cell]
    notified: tuple[str, ...]
    paused: bool


def evaluate_alerts(bundle: Bundle, there: Connection) -> Iterator[Evaluation]:
    """Evaluate each alert of a bundle's target once, including paused ones; do not notify.

    Raises:
        LaptopError: There is no alert.
    """
    alerts = resolve_names(bundle).alerts
    if not alerts:
        raise LaptopError(
            f"Target {bundle.target} has no alert. Declare one under resources.alerts."
        )
    for key, settings in alerts.items():
        evaluation = settings.get("evaluation", {})
        subscribed = evaluation.get("notification", {}).get("subscriptions", [])
        columns: dict[str, list[Cell]] = {}
        try:
            columns = read_columns(run_sql(there, str(settings.get("query_text", ""))))
            state, detail = judge(evaluation, columns)
        except RequestRefused:
            raise
        except LaptopError as error:
            state, detail = ERROR, str(error)
        yield Evaluation(
            name=str(settings.get("display_name", key)),
            state=state,
            detail=detail,
            row={name: values[0] for name, values in columns.items() if values},
            notified=tuple(str(each.get("user_email", "")) for each in subscribed),
            paused=settings.get("schedule", {}).get("pause_status") == "PAUSED",
        )


def print_evaluation(console: Console, found: Evaluation) -> None:
    """Print an alert's result, its row, and the subscribers that Databricks would notify."""
    colour = {OK: "green", TRIGGERED: "red", ERROR: "red"}.get(found.state, "yellow")
    name, detail = escape(found.name), escape(found.detail)
    console.print(f"[{colour}]{found.state}[/] {name}: {detail}", soft_wrap=True)
    for column, value in found.row.items():
        console.print(f"  {escape(column)}: {escape(str(value))}", soft_wrap=True)
    if found.state == TRIGGERED and found.notified:
        paused = "; its schedule is paused" if found.paused else ""
        recipients = escape(", ".join(found.notified))
        console.print(f"  On Databricks {recipients} would be notified{paused}.", soft_wrap=True)


def read_columns(answer: Mapping[str, Any]) -> dict[str, list[Cell]]:
    """Return the values of a response by column."""
    columns = answer["manifest"]["schema"]["columns"]
    rows = answer["result"]["data_array"]
    return {
        each["name"]: [read_cell(row[index], each["type_text"]) for row in rows]
        for index, each in enumerate(columns)
    }


def judge(evaluation: Mapping[str, Any], columns: Mapping[str, list[Cell]]) -> tuple[str, str]:
    """Return the state for a result, and the reason.

    Raises:
        LaptopError: A column is missing, or a value cannot be compared.
    """
    source = evaluation["source"]
    if not find_column(source, columns):
        state = str(evaluation.get("empty_result_state", "UNKNOWN"))
        return state, "the query has no row"
    value = aggregate(source, columns)
    operator = evaluation["comparison_operator"]
    if operator in ("IS_NULL", "IS_NOT_NULL"):
        met = (value is None) == (operator == "IS_NULL")
        return (TRIGGERED if met else OK), f"{source['name']} is {value}"
    limit = read_threshold(evaluation.get("threshold") or {}, columns)
    if value is None or limit is None:
        raise LaptopError(f"{source['name']} is {value} and its threshold {limit}: no comparison.")
    try:
        met = COMPARISONS[operator](value, limit)
    except TypeError:
        raise LaptopError(
            f"{source['name']} is {value!r}, which cannot be compared with {limit!r}."
        ) from None
    words = operator.lower().replace("_", " ")
    return (TRIGGERED if met else OK), f"{source['name']} is {value:g}, {words} {limit:g} triggers"


def find_column(operand: Mapping[str, Any], columns: Mapping[str, list[Cell]]) -> list[Cell]:
    """Return the values of an operand's column.

    Raises:
        LaptopError: The query has no such column.
    """
    name = operand["name"]
    if name not in columns:
        there = ", ".join(columns)
        raise LaptopError(f"The query has no column '{name}'. Its columns are: {there}.")
    return columns[name]


def aggregate(operand: Mapping[str, Any], columns: Mapping[str, list[Cell]]) -> Any:
    """Return an operand's value: the first of its column, or an aggregate without nulls."""
    values = find_column(operand, columns)
    kind = operand.get("aggregation")
    if kind is None:
        return values[0] if values else None
    known = [value for value in values if value is not None]
    if not known:
        return 0 if kind.startswith("COUNT") else None
    return AGGREGATIONS[kind](known)


def read_threshold(threshold: Mapping[str, Any], columns: Mapping[str, list[Cell]]) -> Any:
    """Return the threshold: a constant, or a column of the same result."""
    if "column" in threshold:
        return aggregate(threshold["column"], columns)
    value = threshold.get("value", {})
    if "double_value" in value:
        return float(value["double_value"])
    return value.get("string_value", value.get("bool_value"))
