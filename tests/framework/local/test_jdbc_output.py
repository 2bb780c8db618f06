"""Predictions are sent to a table of another database exactly once, despite kills and errors."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from laptop.postgres import open_postgres
from laptop.state_dir import StateDir

from tests.conftest import SCHEMA, Laptop
from tests.declared import ROOT
from tests.framework.local.test_outputs import TASK, VOLUME

TABLE = "sales.predictions"
Database = psycopg.Connection[Any]

# `send` runs the task with a JDBC table.
JDBC = f"""
from flight_delays.lakehouse import jdbc
from flight_delays.tasks import jdbc_output
from flight_delays.tasks.batch_inference import COLUMNS, create_predictions
append = jdbc.append

def add(at, times):
    # Predictions of a run, the last one without a figure.
    given = {{
        "flight_id": "concat('flight ', id)",
        "decision_at": "'2026-01-02 10:20:30.123456'",
        "prediction": f"CASE WHEN id < {{times}} - 1 THEN id / 7D END",
        "model_name": "'dev.model'",
        "model_version": "1",
        "scored_at": f"'{{at}}'",
    }}
    create_predictions(spark, "{SCHEMA}.predictions")
    cast = "CAST({{}} AS {{}}) AS {{}}".format
    columns = (cast(given.get(name, "NULL"), kind, name) for name, kind in COLUMNS.items())
    new = spark.range(times).selectExpr(*columns)
    new.write.mode("append").saveAsTable("{SCHEMA}.predictions")

def send_jdbc(table={TABLE!r}, connection="sales", **more):
    settings = {{"jdbc": table, "lookback_days": 7}}
    jdbc_output.load_outputs = lambda: Outputs(files="none", **settings)
    send(**settings, connection=connection, **more)

def end_after(*arguments):
    append(*arguments)
    end()
"""


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """Yield a workspace with predictions of one run, without a model."""
    laptop = Laptop(StateDir(tmp_path_factory.mktemp("sent") / "workspace"))
    try:
        assert laptop.call("up").returncode == 0
        laptop.sql(f"CREATE SCHEMA {SCHEMA}")
        laptop.sql(f"CREATE VOLUME {VOLUME}")
        send(laptop, "add('2029-12-31 10:20:00.123', 900)")
        yield laptop
    finally:
        laptop.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with open_postgres(tmp_path_factory.mktemp("database") / "data") as url:
        yield url


@pytest.fixture(scope="module")
def database(url: str) -> Iterator[Database]:
    with psycopg.connect(url.removeprefix("jdbc:"), autocommit=True) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute("CREATE SCHEMA sales")
        connection.execute(page("sql", "CREATE TABLE"))
        yield connection


@pytest.fixture(scope="module", autouse=True)
def connected(scored: Laptop, url: str) -> None:
    """Create the connection of the page, and one to a port without a listener."""
    statement = page("sql", "CREATE CONNECTION").replace("secret('sales', 'user')", "'postgres'")
    statement = statement.replace("secret('sales', 'password')", "'none'")
    scored.sql(re.sub(r"jdbc:postgresql://[^']*", url, statement))
    scored.sql(
        "CREATE CONNECTION dead TYPE JDBC OPTIONS "
        "(url 'jdbc:postgresql://127.0.0.1:9/db', user 'u', password 'p')"
    )


def page(language: str, holds: str) -> str:
    """Return the block of docs/outputs.md that contains a text."""
    text = (ROOT / "docs" / "outputs.md").read_text()
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.S)
    (found,) = (block for block in blocks if holds in block)
    return found


def send(laptop: Laptop, code: str) -> str:
    return laptop.execute(TASK + JDBC + code)


def stored(database: Database) -> list[tuple[Any, ...]]:
    """Return the rows in the other database."""
    query = (
        f"SELECT scored_at::text, count(*), count(prediction) FROM {TABLE} GROUP BY 1 ORDER BY 1"
    )
    return database.execute(query).fetchall()


def expected(laptop: Laptop) -> list[tuple[Any, ...]]:
    """Return the expected rows, from the table of predictions."""
    rows = laptop.sql(
        "SELECT scored_at, count(*) AS rows, count(prediction) AS predicted "
        f"FROM {SCHEMA}.predictions GROUP BY 1 ORDER BY 1"
    )
    return [(int(row["rows"]), int(row["predicted"])) for row in rows]


def held(database: Database) -> list[tuple[Any, ...]]:
    return [row[1:] for row in stored(database)]


def test_a_run_killed_before_or_after_its_rows_are_there_is_completed_once(
    scored: Laptop, database: Database
) -> None:
    cut = send(scored, "jdbc.append = end\nsend_jdbc()")
    assert cut.endswith("cut\n")
    assert held(database) == []
    cut = send(scored, "jdbc.append = end_after\nsend_jdbc()")
    assert cut.endswith("cut\n")
    assert held(database) == expected(scored)
    done = send(scored, "send_jdbc()")
    assert f"jdbc: {TABLE} of connection sales has all rows since" in done
    assert held(database) == expected(scored)
    columns = "flight_id, decision_at, prediction, model_name, model_version"
    query = f"SELECT {columns} FROM {TABLE} WHERE flight_id = 'flight 3'"
    at = datetime(2026, 1, 2, 10, 20, 30, 123456, UTC)
    assert database.execute(query).fetchall() == [("flight 3", at, 3 / 7, "dev.model", 1)]


def test_the_same_input_twice_is_there_once(scored: Laptop, database: Database) -> None:
    done = send(scored, "add('2030-01-01 00:00:00.000001', 3)\nsend_jdbc()\nsend_jdbc()")
    assert f"jdbc: 3 rows of the run 2030-01-01 00:00:00 UTC appended to {TABLE}" in done
    assert f"{TABLE} of connection sales has all rows since" in done
    assert stored(database)[-1] == ("2030-01-01 00:00:00.000001+00", 3, 2)
    assert held(database) == expected(scored)


def test_a_run_of_which_some_rows_are_there_is_refused_with_what_to_delete(
    scored: Laptop, database: Database
) -> None:
    database.execute(
        f"DELETE FROM {TABLE} WHERE scored_at > '2030-01-01' AND flight_id = "
        f"(SELECT min(flight_id) FROM {TABLE} WHERE scored_at > '2030-01-01')"
    )
    printed = send(scored, "add('2030-01-02 00:00:00', 1)\nsend_jdbc()")
    assert "REFUSED OutputError" in printed
    assert "holds 2 of the 3 rows of the run 2030-01-01 00:00:00 UTC; none is appended" in printed
    assert "1 rows of the run 2030-01-02 00:00:00 UTC appended" in printed
    found = re.search(r"Run in its database: (.*?); then", printed)
    assert found is not None
    database.execute(found[1])
    assert "3 rows of the run 2030-01-01" in send(scored, "send_jdbc()")
    assert held(database) == expected(scored)


def test_rows_that_the_database_refuses_leave_none(scored: Laptop, database: Database) -> None:
    before = stored(database)
    database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF (SELECT count(*) FROM {TABLE} WHERE scored_at = NEW.scored_at) > 3 THEN "
        "RAISE EXCEPTION 'the disk is full'; END IF; RETURN NEW; END $$"
    )
    database.execute(
        f"CREATE TRIGGER refuses AFTER INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    printed = send(scored, "add('2030-01-03 00:00:00', 5)\nsend_jdbc()")
    assert f"Rows were not appended to {TABLE} of connection sales" in printed
    assert "the disk is full" in printed
    assert stored(database) == before
    database.execute(f"DROP TRIGGER refuses ON {TABLE}")
    assert "5 rows of the run 2030-01-03" in send(scored, "send_jdbc()")
    assert held(database) == expected(scored)


def test_what_cannot_be_used_is_named_and_holds_up_no_other(
    scored: Laptop, database: Database
) -> None:
    database.execute(f"CREATE TABLE sales.short AS SELECT flight_id, scored_at FROM {TABLE}")
    database.execute(f"CREATE TABLE sales.dated AS SELECT * FROM {TABLE} LIMIT 0")
    database.execute("ALTER TABLE sales.dated ALTER COLUMN scored_at TYPE text")
    before = stored(database)
    printed = send(
        scored,
        """
send_jdbc(connection="", files="parquet")
send_jdbc(connection="none")
send_jdbc(connection="dead")
send_jdbc(table="sales.none")
send_jdbc(table="sales.short")
send_jdbc(table="sales.dated")
""",
    )
    assert "predictions written to /Volumes" in printed
    assert f"names the table {TABLE}, but the job has no connection. Set" in printed
    assert "Connection none cannot be used: Connection 'none' does not exist" in printed
    assert "grant USE CONNECTION" in printed
    assert "of connection dead cannot be read: org.postgresql.util.PSQLException" in printed
    assert "correct the connection" in printed
    assert "sales.none of connection sales cannot be read: org.postgresql" in printed
    assert 'relation "sales.none" does not exist' in printed
    assert "make it as docs/outputs.md says" in printed
    assert "sales.short of connection sales lacks the columns decision_at, prediction" in printed
    assert "sales.dated of connection sales cannot be counted" in printed
    assert "must be a timestamp with time zone" in printed
    assert stored(database) == before
    (none,) = database.execute("SELECT to_regclass('sales.none')").fetchall()
    assert none == (None,)


def test_a_project_without_the_output_says_so(scored: Laptop) -> None:
    printed = send(scored, "outputs.find_spec = lambda name: None\nsend_jdbc()")
    assert "REFUSED OutputError This project has no output jdbc" in printed
