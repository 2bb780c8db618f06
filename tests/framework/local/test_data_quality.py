"""Rows that ingest writes, quarantines and rejects, with test sources."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Laptop
from tests.declared import catalog_of

SCHEMA = f"{catalog_of('dev')}.data_quality"
AS_OF = "2024-05-02"

# Shops, without a timestamp, and their orders, as read from files.
TASK = """
import json
import os
from datetime import datetime
from pathlib import Path
from flight_delays.config.data_quality import DataQualityPolicy
from flight_delays.spec.column_rules import ColumnRule
from flight_delays.spec.tables import Source
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.errors import SchemaChangedError
from flight_delays.lakehouse.watermarks import INGESTED, read_watermarks
from flight_delays.tasks import ingest

SCHEMA, CUT, REREAD = {schema!r}, {cut!r}, {reread!r}
STEPS = json.loads(Path({rows!r}).read_text())
LIMITS = {{"max_bad_rows": 2, "max_bad_share": 0.25, "max_age_hours": 48}}

def at(row):
    return datetime.fromisoformat(row[1] + "+00:00")

def declare(name, columns, **more):
    def read(spark, since, as_of, shift_days):
        rows = step[name]
        if REREAD is not None:
            rows = [row for row in rows if not row[1] or since <= at(row) < as_of]
        return spark.createDataFrame(rows, "id BIGINT, at STRING, price DOUBLE").select(*columns)
    return Source(name=name, primary_keys=("id",), columns=columns, description=name,
                  read=read, **more)

SOURCES = (
    declare("shops", {{"id": "BIGINT", "price": "DOUBLE"}}),
    declare("orders", {{"id": "BIGINT", "at": "TIMESTAMP", "price": "DOUBLE"}},
            rules={{"price": ColumnRule(min=0)}}, dated_by="at"),
)

# A session that dies, as by a power cut, when it is about to write the table named by CUT.
class Spark:
    def __init__(self, session):
        self.session = session
    def __getattr__(self, name):
        return getattr(self.session, name)
    def sql(self, statement, **more):
        if CUT and statement.startswith(f"MERGE INTO {{SCHEMA}}.{{CUT}} "):
            print("CUT", flush=True)
            os._exit(0)
        return self.session.sql(statement, **more)

lakehouse = Lakehouse()
lakehouse.spark = Spark(lakehouse.spark)
policy = DataQualityPolicy.model_validate(
    {{"reread_hours": REREAD or 0, "default": LIMITS, "sources": {{}}}}
)
for step in STEPS:
    for statement in step["before"]:
        lakehouse.spark.sql(statement)
    parameters = ingest.IngestParameters(target=SCHEMA, as_of=step["as_of"], shift_days=0)
    try:
        ingest.run(parameters, lakehouse, SOURCES, policy)
    except (ingest.DataQualityError, SchemaChangedError) as error:
        print("REFUSED", error)
    if REREAD is not None:
        ids = lakehouse.spark.sql(f"SELECT id FROM {{SCHEMA}}.orders ORDER BY id").collect()
        marks = read_watermarks(lakehouse.spark, f"{{SCHEMA}}.watermarks", INGESTED)
        left = [[row.id for row in ids], {{name: str(at)[:-6] for name, at in marks.items()}}]
        print("LEFT", json.dumps(left), flush=True)
"""
TABLES = {
    "orders": ("id", "price"),
    "shops": ("id",),
    "quarantine": ("source", "row_key", "reason", "outcome", "content", "as_of", "first_seen"),
}
STANDING = """
import json
from databricks.sdk.runtime import spark

found = {{}}
for table, columns in {tables!r}.items():
    rows = spark.table(f"{schema}.{{table}}").select(*columns).orderBy(*columns).collect()
    found[table] = [[str(value) for value in row] for row in rows]
print(json.dumps(found))
"""
SHOPS = [(1, None, 1.0), (2, None, 2.0)]


Step = dict[str, Any]


def step(
    as_of: str, orders: list[Any], shops: list[Any] = SHOPS, before: tuple[str, ...] = ()
) -> Step:
    """Return a run's description: the available rows, and SQL to run before it."""
    return {"as_of": as_of, "orders": orders, "shops": shops, "before": before}


def order(number: int, price: float | None = 5.0, at: str = "2024-05-01 12:00:00") -> Any:
    return (number, at, price)


@dataclass(frozen=True)
class Ingest:
    """Ingest into a schema with rows given by a test."""

    laptop: Laptop
    rows: Path
    schema: str = SCHEMA

    def run(
        self, orders: list[Any], shops: list[Any] = SHOPS, as_of: str = AS_OF, cut: str = ""
    ) -> str:
        """Run ingest on rows independent of the time span, and return the output."""
        return self._run([step(as_of, orders, shops)], cut, None)

    def run_spans(self, *steps: Step, reread: int = 0, cut: str = "") -> tuple[str, list[Any]]:
        """Run ingest in steps on the rows of each span and some hours before it.

        Returns:
            The output, and the orders and watermarks after each step.
        """
        printed = self._run(list(steps), cut, reread)
        left = [line for line in printed.splitlines() if line.startswith("LEFT ")]
        return printed, [json.loads(line.removeprefix("LEFT ")) for line in left]

    def _run(self, steps: list[Step], cut: str, reread: int | None) -> str:
        self.rows.write_text(json.dumps(steps))
        code = TASK.format(schema=self.schema, rows=str(self.rows), cut=cut, reread=reread)
        return self.laptop.execute(code)

    def tables(self) -> dict[str, list[tuple[str, ...]]]:
        """Return the rows of each table."""
        printed = self.laptop.execute(STANDING.format(schema=self.schema, tables=TABLES))
        return {table: [tuple(row) for row in rows] for table, rows in json.loads(printed).items()}


@pytest.fixture(scope="module")
def ingest_rows(laptop: Laptop, tmp_path_factory: pytest.TempPathFactory) -> Ingest:
    assert laptop.call("up").returncode == 0
    catalog, schema = SCHEMA.split(".")
    laptop.execute(
        "from databricks.sdk import WorkspaceClient; "
        f"[WorkspaceClient().schemas.create(name, {catalog!r}) for name in "
        f"({schema!r}, 'nameless', 'late', 'killed_before_orders', 'killed_before_watermarks', "
        "'changed', 'dropped')]"
    )
    return Ingest(laptop, tmp_path_factory.mktemp("data_quality") / "rows.json")


def test_what_is_bad_is_kept_apart_once_and_let_in_when_it_is_corrected(
    ingest_rows: Ingest,
) -> None:
    good = [order(number) for number in range(1, 7)]
    bad = [order(7, -1.0), order(8, 5.0, "soon")]
    printed = ingest_rows.run([*good, good[0], *bad])
    assert '1 x price is below 0, as {"id":7}' in printed
    assert [line.split()[:5] for line in printed.splitlines() if line.startswith("orders")] == [
        ["orders", "6", "6", "1", "2"]
    ]
    first = ingest_rows.tables()
    assert [number for number, _ in first["orders"]] == ["1", "2", "3", "4", "5", "6"]
    assert [row[:4] for row in first["quarantine"]] == [
        ("orders", '{"id":7}', "price is below 0", "left out"),
        ("orders", '{"id":8}', "at is no TIMESTAMP", "left out"),
    ]
    assert json.loads(first["quarantine"][1][4]) == {"id": 8, "at": "soon", "price": 5.0}

    ingest_rows.run([*good, good[0], *bad])
    assert ingest_rows.tables() == first, "run again, it adds nothing twice"

    ingest_rows.run([*good, order(7, 1.0), bad[1]])
    then = ingest_rows.tables()
    assert then["orders"] == [*first["orders"], ("7", "1.0")]
    assert then["quarantine"] == first["quarantine"]


def test_a_row_without_its_key_is_kept_apart_and_the_others_are_written(
    ingest_rows: Ingest,
) -> None:
    nameless = replace(ingest_rows, schema=SCHEMA.replace("data_quality", "nameless"))
    printed = nameless.run([*(order(number) for number in range(1, 7)), (None, *order(7)[1:])])
    assert "1 x id is missing" in printed
    found = nameless.tables()
    assert [number for number, _ in found["orders"]] == ["1", "2", "3", "4", "5", "6"]
    assert [row[2] for row in found["quarantine"]] == ["id is missing"]


@pytest.mark.parametrize(
    ("orders", "as_of", "words", "refused"),
    [
        (
            [order(20), *(order(number, -3.0) for number in (21, 22, 23))],
            AS_OF,
            ["orders: 3 of 4 new rows are invalid (75.00%)", '3 x price is below 0, as {"id":21}'],
            ['{"id":21}', '{"id":22}', '{"id":23}'],
        ),
        (
            [order(30), order(31, -3.0)],
            "2024-05-09",
            ["orders: the newest row is of 2024-05-01T12:00:00+00:00, 180"],
            ['{"id":31}'],
        ),
        ([order(40)], "2024-05-09", ["orders: the newest row is of 2024-05-01"], []),
    ],
)
def test_what_is_too_bad_or_too_old_stops_ingest_each_time_and_no_row_is_written(
    ingest_rows: Ingest, orders: list[Any], as_of: str, words: list[str], refused: list[str]
) -> None:
    ingest_rows.run([order(1)])
    before = ingest_rows.tables()
    for _ in range(2):
        printed = ingest_rows.run(orders, [*SHOPS, (3, None, 3.0)], as_of)
        assert "REFUSED No rows were written." in printed
        assert all(
            word in printed for word in [*words, f"{SCHEMA}.quarantine", "conf/data_quality.yml"]
        )
        after = ingest_rows.tables()
        kept = [row for row in after.pop("quarantine") if row not in before["quarantine"]]
        assert [(row[1], row[3]) for row in kept] == [(key, "refused") for key in refused]
        assert after == {table: rows for table, rows in before.items() if table != "quarantine"}


def test_killed_after_quarantine_and_before_the_table_it_loses_nothing_and_doubles_nothing(
    ingest_rows: Ingest,
) -> None:
    orders = [order(60), order(61), order(62, -1.0)]
    before = ingest_rows.tables()
    assert ingest_rows.run(orders, cut="orders").endswith("CUT\n")
    between = ingest_rows.tables()
    (kept,) = (row for row in between["quarantine"] if row not in before["quarantine"])
    assert kept[:4] == ("orders", '{"id":62}', "price is below 0", "left out")
    assert between["orders"] == before["orders"]
    ingest_rows.run(orders)
    after = ingest_rows.tables()
    assert after["orders"] == [*before["orders"], ("60", "5.0"), ("61", "5.0")]
    assert after["quarantine"] == between["quarantine"]


def in_schema(ingest_rows: Ingest, name: str) -> Ingest:
    """Return an `Ingest` into a new schema."""
    return replace(ingest_rows, schema=f"{catalog_of('dev')}.{name}")


def test_spans_bring_the_rows_that_one_would_and_those_late_by_less_than_is_read_again(
    ingest_rows: Ingest,
) -> None:
    times = ["00:00:00", "09:59:59", "10:00:00", "11:30:00", "12:00:00"]
    orders = [order(number, at=f"2024-05-01 {time}") for number, time in enumerate(times)]
    late = [order(10, at="2024-05-01 09:00:00"), order(11, at="2024-05-01 07:59:59")]
    after = order(12, at="2024-05-02 09:30:00")
    _, left = in_schema(ingest_rows, "late").run_spans(
        step("2024-05-01T10:00:00", orders),
        step("2024-05-01T11:00:00", orders),
        step("2024-05-01T11:00:00", orders + late),
        step("2024-05-01T12:00:01", orders + late),
        # A day without orders: the newest one is already written.
        step("2024-05-02T12:00:00", orders + late),
        # As of an earlier time: late rows are written, and the watermark does not move.
        step("2024-05-02T10:00:00", [*orders, after]),
        reread=3,
    )
    assert [ids for ids, _ in left] == [
        [0, 1],
        [0, 1, 2],
        [0, 1, 2, 10],
        [0, 1, 2, 3, 4, 10],
        [0, 1, 2, 3, 4, 10],
        [0, 1, 2, 3, 4, 10, 12],
    ]
    marks = ["05-01 10:00:00", "05-01 11:00:00", "05-01 11:00:00", "05-01 12:00:01"]
    marks += ["05-02 12:00:00", "05-02 12:00:00"]
    expected = [dict.fromkeys(("orders", "shops"), f"2024-{mark}") for mark in marks]
    assert [found for _, found in left] == expected


@pytest.mark.parametrize("cut", ["orders", "watermarks"])
def test_killed_before_the_watermark_it_reads_the_span_again(ingest_rows: Ingest, cut: str) -> None:
    killed = in_schema(ingest_rows, f"killed_before_{cut}")
    first, second = order(1, at="2024-05-01 09:00:00"), order(2, at="2024-05-01 10:30:00")
    meanwhile = order(3, at="2024-05-01 10:15:00")
    killed.run_spans(step("2024-05-01T10:00:00", [first]))
    printed, left = killed.run_spans(step("2024-05-01T11:00:00", [first, second]), cut=cut)
    assert printed.endswith("CUT\n")
    assert left == []
    _, ((ids, marks),) = killed.run_spans(step("2024-05-01T11:30:00", [first, second, meanwhile]))
    assert ids == [1, 2, 3]
    assert set(marks.values()) == {"2024-05-01 11:30:00"}


def test_a_dropped_table_is_read_from_the_start_even_by_the_run_after_a_refused_or_earlier_one(
    ingest_rows: Ingest,
) -> None:
    dropped = in_schema(ingest_rows, "dropped")
    drop = (f"DROP TABLE {dropped.schema}.orders",)
    orders = [order(1, at="2024-05-01 09:00:00"), order(2, at="2024-05-01 10:30:00")]
    bad = [order(number, -3.0, "2024-05-01 09:30:00") for number in (20, 21, 22)]
    printed, left = dropped.run_spans(
        step("2024-05-01T10:00:00", orders),
        step("2024-05-01T11:00:00", [*orders, *bad], before=drop),
        step("2024-05-01T11:00:00", orders),
        step("2024-05-01T10:00:00", orders, before=drop),
        step("2024-05-01T12:00:00", orders),
    )
    assert printed.count("REFUSED No rows were written.") == 1
    assert [ids for ids, _ in left] == [[1], [], [1, 2], [1], [1, 2]]


def test_a_table_of_another_shape_is_refused_before_anything_is_written(
    ingest_rows: Ingest,
) -> None:
    changed = in_schema(ingest_rows, "changed")
    table = f"{changed.schema}.orders"
    another = (f"DROP TABLE {table}", f"CREATE TABLE {table} (id BIGINT, price STRING) USING DELTA")
    shops = [*SHOPS, (3, None, 3.0)]
    printed, left = changed.run_spans(
        step(AS_OF, [order(1, -3.0)]),
        step(AS_OF, [order(1)]),
        step(AS_OF, [order(1), order(2)], shops, another),
    )
    assert "orders: there is no valid row" in printed
    assert (
        f"REFUSED Table {table} needs price double; it has id bigint, price string. "
        "Delete or rename the table, then run feature_refresh" in printed
    )
    assert [ids for ids, _ in left] == [[], [1], []]
    (rows,) = changed.laptop.sql(f"SELECT count(*) AS shops FROM {changed.schema}.shops")
    assert rows["shops"] == len(SHOPS)
