"""SQL of widgets and their results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ..errors import LaptopError
from .definition import Query, read_column

Cell = str | float | int | bool | date | datetime | None
# Runs a statement and returns the response of the Statement Execution API.
Ask = Callable[[str], Mapping[str, Any]]

_NUMBERS = ("double", "float", "decimal", "int", "uint", "halffloat")


@dataclass(frozen=True)
class Answer:
    """Rows of a result, each a mapping of field to value."""

    rows: tuple[Mapping[str, Cell], ...]

    def column(self, name: str) -> list[Cell]:
        """Return the values of a field."""
        return [row[name] for row in self.rows]


def write_sql(dataset: str, query: Query) -> str:
    """Return a query's SQL: the rows of the dataset, or groups of them."""
    text = dataset.strip().rstrip(";")
    if query.disaggregated:
        return text
    fields = ", ".join(f"{each} AS `{name}`" for name, each in query.fields.items())
    groups = query.grouped
    by = f" GROUP BY {', '.join(groups)}" if groups else ""
    return f"SELECT {fields} FROM ({text}) AS dataset{by}"


def run_query(ask: Ask, dataset: str, query: Query) -> Answer:
    """Return the result of a widget's query.

    Raises:
        LaptopError: The statement fails, has too many rows, or lacks a column.
    """
    answer = ask(write_sql(dataset, query))
    if answer["manifest"]["truncated"]:
        count = answer["manifest"]["total_row_count"]
        raise LaptopError(f"The query has more than {count:,} rows. Group them in the dataset.")
    columns = answer["manifest"]["schema"]["columns"]
    types = {each["name"]: each["type_text"] for each in columns}
    names = [each["name"] for each in columns]
    wanted = {
        name: read_column(expression) if query.disaggregated else name
        for name, expression in query.fields.items()
    }
    lacking = [str(column) for column in wanted.values() if column not in types]
    if lacking:
        there = ", ".join(names)
        raise LaptopError(f"The dataset has no column {lacking[0]}. Its columns are: {there}.")
    rows = []
    for cells in answer["result"]["data_array"]:
        row = dict(zip(names, cells, strict=True))
        rows.append({n: read_cell(row[str(c)], types[str(c)]) for n, c in wanted.items()})
    return Answer(tuple(rows))


def read_cell(text: str | None, kind: str) -> Cell:
    """Parse a cell of a response by its type."""
    if text is None:
        return None
    if kind.startswith("timestamp"):
        return datetime.fromisoformat(text).replace(tzinfo=None)
    if kind.startswith("date"):
        return date.fromisoformat(text)
    if kind.startswith(_NUMBERS):
        number = float(text)
        return int(number) if number.is_integer() and kind.startswith(("int", "uint")) else number
    return text
