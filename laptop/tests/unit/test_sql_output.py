import io
from collections.abc import Sequence
from typing import Any

import pytest
from laptop.sql_output import MOST_ROWS, as_cell, as_json, print_rows
from rich.console import Console


def answer(columns: dict[str, str], *rows: Sequence[str | None]) -> dict[str, Any]:
    described = [{"name": name, "type_text": kind} for name, kind in columns.items()]
    return {
        "manifest": {"schema": {"columns": described}, "truncated": False},
        "result": {"data_array": list(rows)},
    }


def show(found: dict[str, Any], total: str = "") -> list[str]:
    file = io.StringIO()
    print_rows(Console(file=file, width=120, highlight=False), found, total)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_json_has_numbers_for_numbers_and_text_for_what_it_has_no_number_for() -> None:
    kinds = {
        "n": "int64",
        "x": "double",
        "price": "decimal128(10, 2)",
        "nan": "double",
        "ok": "bool",
        "code": "string",
        "many": "list<item: int32>",
        "at": "timestamp[us, tz=UTC]",
    }
    row: list[str | None] = [
        "7",
        "0.5",
        "1.50",
        "nan",
        "true",
        "007",
        "[1, 2]",
        "2013-01-01T00:00:00.000Z",
    ]
    assert as_json(answer(kinds, row, [None] * 8)) == [
        {
            "n": 7,
            "x": 0.5,
            "price": 1.5,
            "nan": "nan",
            "ok": True,
            "code": "007",
            "many": [1, 2],
            "at": "2013-01-01T00:00:00.000Z",
        },
        dict.fromkeys(kinds),
    ]


@pytest.mark.parametrize(
    ("text", "kind", "shown"),
    [
        ("0.30000000000000004", "double", "0.3"),
        ("1234567.0", "double", "1234567"),
        ("nan", "double", "nan"),
        ("inf", "float", "inf"),
        ("2013-01-01T10:40:00.000Z", "timestamp[us, tz=UTC]", "2013-01-01 10:40"),
        ("2013-01-01T10:40:07.125Z", "timestamp[us, tz=UTC]", "2013-01-01 10:40:07.125"),
        ("2013-01-01T10:40:07.000Z", "string", "2013-01-01T10:40:07.000Z"),
        ("1.50", "decimal128(10, 2)", "1.50"),
        (None, "int64", "null"),
    ],
)
def test_cells_are_short_and_lose_nothing_that_differs(
    text: str | None, kind: str, shown: str
) -> None:
    assert as_cell(text, kind) == shown


def test_constant_columns_are_told_once_above_the_table() -> None:
    kinds = {"model": "string", "n": "int64"}
    assert show(answer(kinds, *(["a.b.c", str(n)] for n in range(3)))) == [
        "model = a.b.c",
        "n",
        "0",
        "1",
        "2",
    ]
    # Two rows are read as they are, and a table keeps a column.
    assert show(answer(kinds, ["a", "1"], ["a", "2"]))[0].split() == ["model", "n"]
    assert show(answer({"n": "int64"}, ["1"], ["1"], ["1"])) == ["n", "1", "1", "1"]


def test_rows_that_are_left_out_are_counted() -> None:
    rows = [[str(n)] for n in range(MOST_ROWS + 1)]
    shown = show(answer({"n": "int64"}, *rows))
    assert len(shown) == MOST_ROWS + 2
    assert shown[-1].startswith(f"{MOST_ROWS} of {MOST_ROWS + 1} rows.")
    assert show(answer({"n": "int64"}, *rows), "281,116")[-1].startswith("50 of 281,116 rows.")
    assert len(show(answer({"n": "int64"}, *rows[:-1]))) == MOST_ROWS + 1
