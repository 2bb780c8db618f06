"""Result rows of a statement for display and as JSON."""

import json
import re
from typing import Any

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

Document = dict[str, Any]
WHOLE = re.compile(r"u?int\d+")
NUMBER = re.compile(r"halffloat|float|double|decimal\S*\(.*\)")
NESTED = re.compile(r"(list|large_list|struct|map|fixed_size_list)<")
MOST_ROWS = 50
ROW_LIMIT = 10_000
LEAST_TO_FOLD = 3


def as_value(text: str | None, kind: str) -> Any:
    """Return a cell as a JSON value; numbers that JSON cannot represent stay text.

    Args:
        text: Text of the cell in the response.
        kind: Arrow type of the column.
    """
    if text is None:
        return None
    if kind == "bool":
        return text == "true"
    if WHOLE.fullmatch(kind):
        return int(text)
    if NUMBER.fullmatch(kind):
        number = float(text)
        return number if abs(number) < float("inf") else text
    return json.loads(text) if NESTED.match(kind) else text


def as_cell(text: str | None, kind: str) -> str:
    """Format a cell for display: short floats, timestamps without zero fractions."""
    if text is None:
        return "null"
    if kind in ("halffloat", "float", "double"):
        number = float(text)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.6g}"
    if kind.startswith("timestamp"):
        return text.replace("T", " ").removesuffix("Z").removesuffix(".000").removesuffix(":00")
    return text


def as_json(answer: Document) -> list[Document]:
    """Return a response's rows as dictionaries."""
    columns = answer["manifest"]["schema"]["columns"]
    return [
        {c["name"]: as_value(cell, c["type_text"]) for c, cell in zip(columns, row, strict=True)}
        for row in answer["result"]["data_array"]
    ]


def print_rows(console: Console, answer: Document, total: str = "") -> None:
    """Print a response's rows as a table, and the number of omitted rows.

    Columns with a single value are printed above the table.

    Args:
        console: Output console.
        answer: The response.
        total: Total number of rows, as text, if the response is truncated.
    """
    columns, rows = answer["manifest"]["schema"]["columns"], answer["result"]["data_array"]
    names = [column["name"] for column in columns]
    kinds = [column["type_text"] for column in columns]
    shown = [[as_cell(*pair) for pair in zip(row, kinds, strict=True)] for row in rows]
    constant = [
        number
        for number in range(len(names))
        if len(rows) >= LEAST_TO_FOLD and len({row[number] for row in shown}) == 1
    ]
    # The table needs at least one column.
    constant = constant if len(constant) < len(names) else []
    for number in constant:
        line = f"[dim]{escape(names[number])} =[/] {escape(shown[0][number])}"
        console.print(line, soft_wrap=True)
    varying = [number for number in range(len(names)) if number not in constant]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number in varying:
        is_number = WHOLE.fullmatch(kinds[number]) or NUMBER.fullmatch(kinds[number])
        justify: JustifyMethod = "right" if is_number else "left"
        table.add_column(escape(names[number]), justify=justify, overflow="fold")
    for row in shown[:MOST_ROWS]:
        table.add_row(*(escape(row[number]) for number in varying))
    console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(
            f"[dim]{MOST_ROWS:,} of {total or f'{len(rows):,}'} rows. All: -o json, "
            f"of which {ROW_LIMIT:,} at most[/]"
        )
