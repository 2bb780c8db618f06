"""JDBC by a connection of the catalog, to a PostgreSQL of the test's own."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, ResourceAlreadyExists, ResourceConflict
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.catalog import ConnectionType, PermissionsChange, Privilege
from laptop.connection import Connection
from laptop.engine.session import connect
from laptop.postgres import open_postgres
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql.connect.session import SparkSession

from ...conftest import Toy, until

AT = datetime(2026, 1, 2, 10, 20, 0, 123456, UTC)
ROWS = [
    (1, 10**12, 0.1, "plain", AT, date(2026, 1, 2), True, Decimal("1.50")),
    (2, -1, math.inf, 'tab\t "quote" \\N\n', AT, date(1, 1, 1), False, Decimal("-0.25")),
    (3, None, None, None, None, None, None, None),
    (4, 0, -0.0, "", AT, date(9999, 12, 31), True, Decimal(0)),
    (5, 0, math.nan, "ü€😀", AT, None, None, None),
]
SCHEMA = "a int, b bigint, c double, d string, e timestamp, f date, g boolean, h decimal(9,2)"
TABLE = (
    "a integer PRIMARY KEY, b bigint, c float8, d text, e timestamptz, f date, g boolean, "
    "h numeric(9,2)"
)

WRITER = """
import sys
from laptop.engine.session import connect
rows = connect(sys.argv[1]).range(50_000).selectExpr("CAST(id AS INT) AS a").coalesce(1)
writer = rows.write.format("jdbc").mode("append").option("databricks.connection", "db")
writer.option("dbtable", sys.argv[2]).save()
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with open_postgres(tmp_path_factory.mktemp("database") / "data") as url:
        yield url


@pytest.fixture(scope="module")
def database(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url.removeprefix("jdbc:"), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def spark(there: Connection) -> Iterator[SparkSession]:
    session = connect(there.spark)
    yield session
    session.stop()


@pytest.fixture(scope="module", autouse=True)
def made(client: WorkspaceClient, url: str) -> None:
    client.connections.create("db", ConnectionType.JDBC, {"url": url, "password": "secret"})


@pytest.fixture
def table(database: psycopg.Connection[Any], request: pytest.FixtureRequest) -> str:
    """Return a table of the test's own, without rows."""
    name = f"of_{request.node.name[5:][:50]}"
    database.execute(f"CREATE TABLE {name} ({TABLE})")
    return name


def read(spark: SparkSession, connection: str = "db", **options: str) -> DataFrame:
    reader = spark.read.format("jdbc").option("databricks.connection", connection)
    return reader.options(**options).load()


def write(rows: DataFrame, table: str, connection: str = "db", mode: str = "append") -> None:
    writer = rows.write.format("jdbc").mode(mode).option("databricks.connection", connection)
    writer.option("dbtable", table).save()


def plain(rows: list[Any]) -> list[tuple[Any, ...]]:
    """Return rows by key, what is not a number by its name."""
    named = [tuple("nan" if v != v else v for v in row) for row in rows]
    return sorted(named, key=lambda row: row[0])


def count(database: psycopg.Connection[Any], table: str) -> int:
    return int(database.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def test_rows_come_back_as_they_were_written(
    spark: SparkSession, database: psycopg.Connection[Any], table: str
) -> None:
    write(spark.createDataFrame(ROWS, SCHEMA).coalesce(1), table)
    stored = database.execute(f"SELECT * FROM {table}").fetchall()
    assert plain(stored) == plain(ROWS)
    found = read(spark, dbtable=table)
    assert dict(found.dtypes) == dict(spark.createDataFrame([], SCHEMA).dtypes)
    rows = [tuple(row) for row in found.collect()]
    stamped = [(*row[:4], row[4] and row[4].astimezone(UTC), *row[5:]) for row in rows]
    assert plain(stamped) == plain(ROWS)
    (counted,) = read(spark, query=f"SELECT count(*) AS n FROM {table} WHERE a > 2").collect()
    assert counted.n == 3


def test_a_connection_is_made_changed_granted_and_dropped(
    client: WorkspaceClient, spark: SparkSession, url: str
) -> None:
    options = {"url": url, "user": "postgres", "password": "secret"}
    made = client.connections.create("Sales", ConnectionType.JDBC, options, comment="old")
    assert (made.name, made.connection_type) == ("sales", ConnectionType.JDBC)
    assert made.options == {"url": url, "user": "postgres"}
    with pytest.raises((ResourceAlreadyExists, ResourceConflict), match="already exists"):
        client.connections.create("sales", ConnectionType.JDBC, options)
    client.connections.update("sales", {"url": url, "password": "other"}, new_name="trade")
    assert client.connections.get("trade").options == {"url": url}
    assert "trade" in [each.name for each in client.connections.list()]
    change = PermissionsChange(add=[Privilege.USE_CONNECTION], principal="jobs")
    client.grants.update("connection", "trade", changes=[change])
    assert [tuple(row) for row in read(spark, "Trade", query="SELECT 1 AS a").collect()] == [(1,)]
    client.connections.delete("trade")
    with pytest.raises(NotFound, match="Connection 'trade' does not exist"):
        client.connections.get("trade")
    with pytest.raises(DatabricksError, match="of type MYSQL is not supported on the laptop"):
        client.connections.create("other", ConnectionType.MYSQL, {"host": "h"})
    with pytest.raises(BadRequest, match="needs the option url"):
        client.connections.create("other", ConnectionType.JDBC, {"host": "h"})


def test_sql_makes_and_drops_connections(
    client: WorkspaceClient, spark: SparkSession, url: str
) -> None:
    statement = f"""
        CREATE CONNECTION IF NOT EXISTS by_sql TYPE JDBC
        ENVIRONMENT (java_dependencies '["/Volumes/dev/a/b/postgresql.jar"]')
        OPTIONS (url '{url}', user 'postgres', 
            externalOptionsAllowList 'dbtable,query,customSchema')
        COMMENT 'made'"""
    spark.sql(statement).collect()
    spark.sql(statement).collect()
    found = client.connections.get("by_sql")
    assert (found.comment, (found.options or {})["user"]) == ("made", "postgres")
    assert found.environment_settings is not None
    assert found.environment_settings.java_dependencies == ["/Volumes/dev/a/b/postgresql.jar"]
    with pytest.raises(
        PySparkException, match="Option customschema of JDBC is not supported on the laptop"
    ):
        read(spark, "by_sql", query="SELECT 1 AS a", customSchema="a LONG").collect()
    spark.sql("DROP CONNECTION by_sql").collect()
    spark.sql("DROP CONNECTION IF EXISTS by_sql").collect()
    for wrong, message in {
        "CREATE CONNECTION x TYPE JDBC OPTIONS (url secret('a', 'b'))": r"secret\(…\) of connect",
        "CREATE CONNECTION x TYPE JDBC WITH (url 'a')": "The laptop takes CREATE CONNECTION",
        "CREATE CONNECTION x TYPE MYSQL OPTIONS (host 'h')": "of type MYSQL is not supported",
        "DROP CONNECTION by_sql": "'by_sql' does not exist",
    }.items():
        with pytest.raises(PySparkException, match=message):
            spark.sql(wrong).collect()


def test_one_partition_is_written_as_a_whole_or_not_at_all(
    spark: SparkSession, database: psycopg.Connection[Any], table: str
) -> None:
    rows = spark.createDataFrame([(n, n) for n in (1, 2, 3, 2)], "a int, b bigint")
    with pytest.raises(PySparkException, match="duplicate key value violates unique constraint"):
        write(rows.coalesce(1), table)
    assert count(database, table) == 0
    # As on Spark, where the one partition is there when the other fails.
    with pytest.raises(PySparkException, match="duplicate key value violates unique constraint"):
        write(rows, table)
    assert count(database, table) == 2


def test_a_table_of_another_shape_takes_nothing(
    spark: SparkSession, database: psycopg.Connection[Any], table: str
) -> None:
    with pytest.raises(PySparkException, match=f"Column z not found in schema of {table}: a int4"):
        write(spark.sql("SELECT 1 AS a, 2 AS z"), table)
    with pytest.raises(
        PySparkException, match='"b" is of type int8 but expression is of type char'
    ):
        write(spark.sql("SELECT 1 AS a, '2' AS b"), table)
    with pytest.raises(PySparkException, match='null value in column "a"'):
        write(spark.sql("SELECT CAST(NULL AS INT) AS a"), table)
    with pytest.raises(PySparkException, match="Can't get JDBC type for array<int>: column b"):
        write(spark.sql("SELECT 1 AS a, array(1) AS b"), table)
    assert count(database, table) == 0


def test_a_table_that_is_missing_is_made_by_a_write_and_refused_by_a_read(
    spark: SparkSession, database: psycopg.Connection[Any]
) -> None:
    with pytest.raises(PySparkException, match='relation "made_by_write" does not exist'):
        read(spark, dbtable="made_by_write").collect()
    write(spark.createDataFrame(ROWS, SCHEMA), "made_by_write")
    kinds = database.execute(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_name = 'made_by_write'"
    ).fetchall()
    assert dict(kinds)["e"] == "timestamp with time zone"
    assert count(database, "made_by_write") == len(ROWS)


def test_other_types_are_read_as_spark_reads_them(spark: SparkSession) -> None:
    query = (
        "SELECT 1::int2 AS a, 1::float4 AS b, 'x'::bytea AS c, '{\"k\": 1}'::jsonb AS d, "
        "TIMESTAMP '2026-01-02 10:20:00' AS e, 1.5 AS f"
    )
    found = read(spark, query=query)
    kinds = ["smallint", "float", "binary", "string", "timestamp", "decimal(38,18)"]
    assert [kind for _, kind in found.dtypes] == kinds
    (row,) = found.collect()
    assert (row.a, row.b, bytes(row.c), row.d, row.f) == (1, 1.0, b"x", '{"k": 1}', Decimal("1.5"))
    assert row.e.astimezone(UTC).hour == 10
    with pytest.raises(PySparkException, match=r"Column a of type int4\[\] is not read"):
        read(spark, query="SELECT array[1] AS a").collect()


def test_what_cannot_be_reached_or_done_is_said(
    client: WorkspaceClient, spark: SparkSession, free_port: int
) -> None:
    dead = {"url": f"jdbc:postgresql://127.0.0.1:{free_port}/db", "user": "u", "password": "p"}
    client.connections.create("dead", ConnectionType.JDBC, dead)
    client.connections.create("oracle", ConnectionType.JDBC, {"url": "jdbc:oracle:thin:@h"})
    one = spark.sql("SELECT 1 AS a")
    with pytest.raises(PySparkException, match=r"PSQLException: .*Connection refused"):
        read(spark, "dead", dbtable="t").collect()
    with pytest.raises(PySparkException, match=r"PSQLException: .*Connection refused"):
        write(one, "t", "dead")
    with pytest.raises(PySparkException, match=r"CONNECTION_NOT_FOUND.*`none` was not found"):
        read(spark, "none", dbtable="t").collect()
    with pytest.raises(PySparkException, match="reaches PostgreSQL alone"):
        read(spark, "oracle", dbtable="t").collect()
    with pytest.raises(PySparkException, match=r"set the option databricks\.connection"):
        spark.read.format("jdbc").option("url", dead["url"]).option("dbtable", "t").load().collect()
    with pytest.raises(PySparkException, match="Both `dbtable` and `query` can not be specified"):
        read(spark, dbtable="t", query="SELECT 1").collect()
    with pytest.raises(PySparkException, match="Option `dbtable` or `query` is required"):
        read(spark).collect()
    with pytest.raises(PySparkException, match="Option lowerbound is not allowed by connection db"):
        read(spark, dbtable="t", lowerBound="1").collect()
    for mode in ("overwrite", "ignore", "error"):
        with pytest.raises(PySparkException, match="By JDBC the laptop appends alone"):
            write(one, "t", mode=mode)


def test_many_rows_go_there_and_back(
    spark: SparkSession, database: psycopg.Connection[Any], table: str
) -> None:
    number = 200_000
    rows = spark.range(number).selectExpr("CAST(id AS INT) AS a", "id * 2 AS b", "rand() AS c")
    write(rows.coalesce(1), table)
    assert count(database, table) == number
    (found,) = read(spark, dbtable=table).selectExpr("count(*) AS n", "sum(b) AS b").collect()
    assert (found.n, found.b) == (number, number * (number - 1))


@pytest.mark.nightly
def test_a_workspace_killed_inside_leaves_no_row(
    lonely: Toy, database: psycopg.Connection[Any], table: str, url: str
) -> None:
    there = lonely.open()
    killed = WorkspaceClient(host=there.address, token=there.token)
    killed.connections.create("db", ConnectionType.JDBC, {"url": url})
    database.execute(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.a = 300 THEN PERFORM pg_sleep(3); END IF; RETURN NEW; END $$"
    )
    database.execute(
        f"CREATE TRIGGER waits BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION wait()"
    )

    def writing() -> int:
        activity = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = "
        return int(database.execute(f"{activity}'active'").fetchall()[0][0])

    # A client of its own: at its end it would ask the workspace that is gone, again and again.
    client = subprocess.Popen([sys.executable, "-c", WRITER, there.spark, table])
    try:
        until(writing)
        os.kill(there.pid, signal.SIGKILL)
        until(lambda: not writing())
        assert count(database, table) == 0
    finally:
        client.kill()
        client.wait()
    database.execute(f"DROP TRIGGER waits ON {table}")


def test_the_command_runs_a_server_until_it_is_interrupted(lonely: Toy) -> None:
    with lonely.start("postgres") as process:
        assert process.stdout is not None
        url = process.stdout.readline().removesuffix(" (Ctrl-C ends it)\n")
        with psycopg.connect(url.removeprefix("jdbc:")) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url.removeprefix("jdbc:"))
