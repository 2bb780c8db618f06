"""What ingest lets in, what it keeps apart and what it refuses, by sources of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Laptop
from tests.declared import catalog_of

pytestmark = pytest.mark.slow

SCHEMA = f"{catalog_of('dev')}.intake"
AS_OF = "2024-05-02"

# Shops, dated by nothing, and their orders, both as a file has them.
TASK = """
import json
import os
from pathlib import Path
from flight_delays.contract import IntakePolicy, Rule, Source
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import ingest

SCHEMA, CUT, AS_OF = {schema!r}, {cut!r}, {as_of!r}
ROWS = json.loads(Path({rows!r}).read_text())
LIMITS = {{"max_bad_rows": 2, "max_bad_share": 0.25, "max_age_hours": 48}}

def declare(name, columns, **more):
    def read(spark, as_of, shift_days):
        rows = spark.createDataFrame(ROWS[name], "id BIGINT, at STRING, price DOUBLE")
        return rows.select(*columns)
    return Source(name=name, primary_keys=("id",), columns=columns, description=name,
                  read=read, **more)

SOURCES = (
    declare("shops", {{"id": "BIGINT", "price": "DOUBLE"}}),
    declare("orders", {{"id": "BIGINT", "at": "TIMESTAMP", "price": "DOUBLE"}},
            rules={{"price": Rule(lowest=0)}}, dated_by="at"),
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
parameters = ingest.IngestParameters(target=SCHEMA, as_of=AS_OF, shift_days=0)
policy = IntakePolicy.model_validate({{"usual": LIMITS, "sources": {{}}}})
try:
    ingest.run(parameters, lakehouse, SOURCES, policy)
except ingest.IntakeRefusedError as error:
    print("REFUSED", error)
"""
TABLES = {
    "orders": ("id", "price"),
    "shops": ("id",),
    "quarantine": ("source", "row_key", "reason", "outcome", "content", "as_of", "first_seen"),
}
STANDING = f"""
import json
from databricks.sdk.runtime import spark

found = {{}}
for table, columns in {TABLES!r}.items():
    rows = spark.table(f"{SCHEMA}.{{table}}").select(*columns).orderBy(*columns).collect()
    found[table] = [[str(value) for value in row] for row in rows]
print(json.dumps(found))
"""
SHOPS = [(1, None, 1.0), (2, None, 2.0)]


def order(number: int, price: float | None = 5.0, at: str = "2024-05-01 12:00:00") -> Any:
    return (number, at, price)


class Intake:
    """Ingest, on rows that a test gives."""

    def __init__(self, laptop: Laptop, rows: Path) -> None:
        self.laptop = laptop
        self.rows = rows

    def run(
        self, orders: list[Any], shops: list[Any] = SHOPS, as_of: str = AS_OF, cut: str = ""
    ) -> str:
        self.rows.write_text(json.dumps({"orders": orders, "shops": shops}))
        code = TASK.format(schema=SCHEMA, rows=str(self.rows), as_of=as_of, cut=cut)
        return self.laptop.execute(code)

    def tables(self) -> dict[str, list[tuple[str, ...]]]:
        """Return what stands in each table."""
        return {
            table: [tuple(row) for row in rows]
            for table, rows in json.loads(self.laptop.execute(STANDING)).items()
        }


@pytest.fixture(scope="module")
def intake(laptop: Laptop, tmp_path_factory: pytest.TempPathFactory) -> Intake:
    assert laptop.call("up").returncode == 0
    catalog, schema = SCHEMA.split(".")
    laptop.execute(
        "from databricks.sdk import WorkspaceClient; "
        f"WorkspaceClient().schemas.create({schema!r}, {catalog!r})"
    )
    return Intake(laptop, tmp_path_factory.mktemp("intake") / "rows.json")


def test_what_is_bad_is_kept_apart_once_and_let_in_when_it_is_corrected(intake: Intake) -> None:
    good = [order(number) for number in range(1, 7)]
    bad = [order(7, -1.0), order(8, 5.0, "soon")]
    printed = intake.run([*good, good[0], *bad])
    assert '1 x price is below 0, as {"id":7}' in printed
    assert [line.split()[:5] for line in printed.splitlines() if line.startswith("orders")] == [
        ["orders", "6", "6", "1", "2"]
    ]
    first = intake.tables()
    assert [number for number, _ in first["orders"]] == ["1", "2", "3", "4", "5", "6"]
    assert [row[:4] for row in first["quarantine"]] == [
        ("orders", '{"id":7}', "price is below 0", "left out"),
        ("orders", '{"id":8}', "at is no TIMESTAMP", "left out"),
    ]
    assert json.loads(first["quarantine"][1][4]) == {"id": 8, "at": "soon", "price": 5.0}

    intake.run([*good, good[0], *bad])
    assert intake.tables() == first, "run again, it adds nothing twice"

    intake.run([*good, order(7, 1.0), bad[1]])
    then = intake.tables()
    assert then["orders"] == [*first["orders"], ("7", "1.0")]
    assert then["quarantine"] == first["quarantine"]


@pytest.mark.parametrize(
    ("orders", "as_of", "words", "refused"),
    [
        (
            [order(20), *(order(number, -3.0) for number in (21, 22, 23))],
            AS_OF,
            ["orders: 3 of 4 new rows are bad (75.00%)", '3 x price is below 0, as {"id":21}'],
            ['{"id":21}', '{"id":22}', '{"id":23}'],
        ),
        (
            [order(30), order(31, -3.0)],
            "2024-05-09",
            ["orders: the newest row is of 2024-05-01T12:00:00+00:00, 180"],
            ['{"id":31}'],
        ),
        ([order(40)], "2024-05-09", ["orders: the newest row is of 2024-05-01"], []),
        ([order(50, -3.0)], AS_OF, ["orders: there is no sound row"], ['{"id":50}']),
    ],
)
def test_what_is_too_bad_or_too_old_stops_ingest_each_time_and_lets_no_row_in(
    intake: Intake, orders: list[Any], as_of: str, words: list[str], refused: list[str]
) -> None:
    intake.run([order(1)])
    before = intake.tables()
    for _ in range(2):
        printed = intake.run(orders, [*SHOPS, (3, None, 3.0)], as_of)
        assert "REFUSED no row was let in." in printed
        assert all(word in printed for word in [*words, f"{SCHEMA}.quarantine", "conf/intake.yml"])
        after = intake.tables()
        kept = [row for row in after.pop("quarantine") if row not in before["quarantine"]]
        assert [(row[1], row[3]) for row in kept] == [(key, "refused") for key in refused]
        assert after == {table: rows for table, rows in before.items() if table != "quarantine"}


def test_killed_after_quarantine_and_before_the_table_it_loses_nothing_and_doubles_nothing(
    intake: Intake,
) -> None:
    orders = [order(60), order(61), order(62, -1.0)]
    before = intake.tables()
    assert intake.run(orders, cut="orders").endswith("CUT\n")
    between = intake.tables()
    (kept,) = (row for row in between["quarantine"] if row not in before["quarantine"])
    assert kept[:4] == ("orders", '{"id":62}', "price is below 0", "left out")
    assert between["orders"] == before["orders"]
    intake.run(orders)
    after = intake.tables()
    assert after["orders"] == [*before["orders"], ("60", "5.0"), ("61", "5.0")]
    assert after["quarantine"] == between["quarantine"]
