"""Statements and writes that the engine lacks or gets wrong, through a Spark Connect client."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from databricks.sdk import WorkspaceClient
from laptop.connection import Connection
from laptop.engine.session import connect
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.connect.session import SparkSession

from ...conftest import Jobs, execute, results


@pytest.fixture(scope="module")
def spark(there: Connection) -> Iterator[SparkSession]:
    session = connect(there.spark)
    session.sql("CREATE SCHEMA IF NOT EXISTS dev.words")
    yield session
    session.stop()


@pytest.fixture
def rows(spark: SparkSession) -> Any:
    return spark.createDataFrame(pd.DataFrame({"id": [1, 2], "x": [0.5, 1.5]}))


USUAL = """
import mlflow
from databricks.connect import DatabricksSession
from databricks.sdk.runtime import spark
from pyspark.sql import SparkSession
spark.range(3).createOrReplaceTempView("three")
assert SparkSession.builder.appName("usual").getOrCreate().table("three").count() == 3
assert DatabricksSession.builder.profile("any").getOrCreate().table("three").count() == 3
spark.sql("CREATE SCHEMA IF NOT EXISTS dev.usual")
spark.table("three").write.mode("overwrite").saveAsTable("dev.usual.three")
assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
data = mlflow.data.from_spark(spark.table("dev.usual.three"), table_name="dev.usual.three")
assert data.to_dict()["digest"]
"""


def test_every_way_to_a_session_gives_the_one_of_the_workspace(jobs: Jobs) -> None:
    assert results(jobs.run(execute("usual", USUAL))) == {"usual": "SUCCESS"}


def told(spark: SparkSession, statement: str) -> list[list[Any]]:
    return [list(row) for row in spark.sql(statement).collect()]


def test_a_table_is_overwritten_with_its_own_columns_or_others(
    spark: SparkSession, rows: Any
) -> None:
    name = "dev.words.over"
    rows.write.mode("overwrite").saveAsTable(name)
    rows.limit(1).write.mode("overwrite").saveAsTable(name)
    assert spark.table(name).count() == 1
    with pytest.raises(AnalysisException, match=r"schema mismatch.*overwriteSchema"):
        rows.withColumn("y", F.lit("a")).write.mode("overwrite").saveAsTable(name)
    # What is read is what is replaced.
    spark.table(name).select("id").write.mode("overwrite").option(
        "overwriteSchema", "true"
    ).saveAsTable(name)
    assert spark.table(name).columns == ["id"]
    assert spark.table(name).count() == 1


def test_replace_where_replaces_the_rows_of_its_condition_alone(
    spark: SparkSession, rows: Any
) -> None:
    name = "dev.words.parts"
    rows.write.saveAsTable(name)
    part = rows.where("id = 2").withColumn("x", F.lit(9.0))
    part.write.mode("overwrite").option("replaceWhere", "id = 2").saveAsTable(name)
    assert told(spark, f"SELECT id, x FROM {name} ORDER BY id") == [[1, 0.5], [2, 9.0]]
    with pytest.raises(AnalysisException, match="DELTA_REPLACE_WHERE_MISMATCH"):
        rows.write.mode("overwrite").option("replaceWhere", "id = 2").saveAsTable(name)
    with pytest.raises(AnalysisException, match="only for a table: use saveAsTable"):
        rows.write.mode("overwrite").option("replaceWhere", "id = 2").save("/tmp/nowhere")


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("c1", "CREATE OR REPLACE TABLE dev.words.c1 (id STRING NOT NULL, x DOUBLE)"),
        (
            "c2",
            "CREATE OR REPLACE TABLE dev.words.c2 AS SELECT 'a' AS id, current_timestamp() AS x",
        ),
        (
            "c3",
            "CREATE TABLE IF NOT EXISTS dev.words.c3 USING DELTA AS "
            "WITH a AS (SELECT 1 AS id, named_struct('b', 2) AS x) SELECT * FROM a",
        ),
    ],
)
def test_create_or_replace_makes_a_table_and_replaces_it(
    spark: SparkSession, table: str, statement: str
) -> None:
    for _ in range(2):
        spark.sql(statement)
        assert spark.table(f"dev.words.{table}").columns == ["id", "x"]
    shown = {row["tableName"] for row in spark.sql("SHOW TABLES IN dev.words").collect()}
    assert not [name for name in shown if name.startswith("replacement")]


def test_a_table_that_cannot_be_written_leaves_none(spark: SparkSession) -> None:
    bad = spark.sql("SELECT raise_error('no rows') AS a")
    with pytest.raises(PySparkException):
        bad.write.saveAsTable("dev.words.never")
    assert not spark.catalog.tableExists("dev.words.never")


def test_replace_table_needs_one_that_is_there(spark: SparkSession) -> None:
    with pytest.raises(AnalysisException, match="TABLE_OR_VIEW_NOT_FOUND"):
        spark.sql("REPLACE TABLE dev.words.r1 AS SELECT 1 AS id")
    spark.sql("CREATE TABLE dev.words.r1 AS SELECT 1 AS id")
    spark.sql("REPLACE TABLE dev.words.r1 AS SELECT 'b' AS x, id + 1 AS n FROM dev.words.r1")
    assert told(spark, "SELECT x, n FROM dev.words.r1") == [["b", 2]]


@pytest.mark.parametrize(
    ("statement", "instead"),
    [
        ("GRANT SELECT ON TABLE dev.words.t TO `users`", "databricks grants update"),
        ("CREATE EXTERNAL VOLUME dev.words.v LOCATION 's3://a'", "CREATE VOLUME"),
        ("CREATE TEMPORARY FUNCTION f(x INT) RETURNS INT RETURN x", "Register a UDF in Python"),
    ],
)
def test_what_is_absent_says_what_to_use_instead(
    spark: SparkSession, statement: str, instead: str
) -> None:
    with pytest.raises(AnalysisException, match=instead):
        spark.sql(statement)


@pytest.mark.parametrize("value", [7, 2**40, True, "v2", 0.5])
def test_a_column_that_merge_schema_adds_is_null_before(spark: SparkSession, value: Any) -> None:
    name = f"dev.words.evolved_{str(value).replace('.', '_')}"
    spark.range(1).write.saveAsTable(name)
    more = spark.range(1, 2).withColumn("c", F.lit(value))
    more.write.mode("append").option("mergeSchema", "true").saveAsTable(name)
    assert told(spark, f"SELECT * FROM {name} ORDER BY id") == [[0, None], [1, value]]
    assert [row[0] for row in told(spark, f"DESCRIBE {name}")] == ["id", "c"]


def test_rows_that_widen_a_table_may_be_read_from_it(spark: SparkSession) -> None:
    name = "dev.words.widened"
    spark.range(2).write.saveAsTable(name)
    twice = spark.table(name).selectExpr("*", "id * 2 AS twice")
    twice.write.mode("append").option("mergeSchema", "true").saveAsTable(name)
    assert told(spark, f"SELECT * FROM {name} ORDER BY id, twice") == [
        [0, None], [0, 0], [1, None], [1, 2],
    ]  # fmt: skip
    thrice = spark.table(name).selectExpr("*", "id * 3 AS thrice").where("twice = 2")
    thrice.write.mode("overwrite").option("mergeSchema", "true").saveAsTable(name)
    assert told(spark, f"SELECT * FROM {name}") == [[1, 2, 3]]
    assert "aside" not in str(told(spark, "SHOW TABLES IN dev.words"))


def test_rows_that_a_filter_left_out_do_not_violate_not_null(spark: SparkSession) -> None:
    spark.sql("CREATE TABLE dev.words.all (id BIGINT, x DOUBLE)")
    spark.sql("INSERT INTO dev.words.all VALUES (1, 1.0), (NULL, 3.0)")
    spark.sql("CREATE TABLE dev.words.sound (id BIGINT NOT NULL, x DOUBLE)")
    known = spark.table("dev.words.all").where("id IS NOT NULL")
    spark.sql("INSERT INTO dev.words.sound SELECT * FROM dev.words.all WHERE id IS NOT NULL")
    spark.sql(
        "INSERT INTO dev.words.sound (x, id) -- in another order\n"
        "SELECT x, id FROM {known} -- the end",
        known=known,
    )
    known.write.mode("append").saveAsTable("dev.words.sound")
    known.writeTo("dev.words.sound").append()
    spark.sql(
        "MERGE INTO dev.words.sound AS t USING {known} AS s ON t.id = s.id + 1 "
        "WHEN NOT MATCHED THEN INSERT (id, x) VALUES (s.id, s.x)",
        known=known,
    )
    assert spark.table("dev.words.sound").count() == 5
    with pytest.raises(PySparkException, match="NOT_NULL"):
        spark.sql("INSERT INTO dev.words.sound VALUES (NULL, 1.0)")


def test_keys_properties_and_comments_are_recorded(
    spark: SparkSession, client: WorkspaceClient
) -> None:
    spark.sql(
        "CREATE TABLE dev.words.flats (id STRING NOT NULL COMMENT 'which', ts TIMESTAMP NOT NULL, "
        "x DECIMAL(10, 2), CONSTRAINT pk PRIMARY KEY (id, ts TIMESERIES)) "
        "COMMENT 'all' CLUSTER BY (id) TBLPROPERTIES (a.b = true, 'c' = 'it\\'s')"
    )
    found = client.tables.get("dev.words.flats")
    assert found.comment == "all"
    assert found.properties is not None
    assert (found.properties["a.b"], found.properties["c"]) == ("true", "it's")
    assert found.columns is not None
    assert [c.comment for c in found.columns] == ["which", None, None]
    assert found.table_constraints is not None
    key = found.table_constraints[0].primary_key_constraint
    assert key is not None
    assert (key.child_columns, key.timeseries_columns) == (["id", "ts"], ["ts"])

    spark.sql("CREATE TABLE dev.words.rooms (id STRING, x DOUBLE)")
    with pytest.raises(AnalysisException, match="nullable"):
        spark.sql("ALTER TABLE dev.words.rooms ADD CONSTRAINT r PRIMARY KEY (id)")
    for statement in (
        "ALTER TABLE dev.words.rooms ALTER COLUMN id SET NOT NULL",
        "ALTER TABLE dev.words.rooms ADD CONSTRAINT r PRIMARY KEY (id)",
        "ALTER TABLE dev.words.rooms ADD COLUMNS (y INT COMMENT 'z')",
        "ALTER TABLE dev.words.rooms SET TAGS ('team' = 'a')",
        "COMMENT ON TABLE dev.words.rooms IS 'some'",
        "ALTER TABLE dev.words.rooms ALTER COLUMN x COMMENT 'much'",
    ):
        spark.sql(statement)
    found = client.tables.get("dev.words.rooms")
    assert (found.comment, len(found.table_constraints or [])) == ("some", 1)
    spark.sql("ALTER TABLE dev.words.rooms DROP CONSTRAINT r")
    assert not client.tables.get("dev.words.rooms").table_constraints
    assert [row[2] for row in told(spark, "DESC TABLE dev.words.rooms")] == [None, "much", None]


def test_views_are_read_by_every_client(spark: SparkSession, client: WorkspaceClient) -> None:
    spark.sql("CREATE TABLE dev.words.base AS SELECT id FROM range(4)")
    spark.sql("USE CATALOG dev")
    spark.sql("USE SCHEMA words")
    spark.sql("CREATE OR REPLACE VIEW few (n) COMMENT 'c' AS SELECT id FROM base WHERE id < 2")
    spark.sql("CREATE VIEW fewer AS SELECT v.n + 1 AS m FROM dev.words.few v LIMIT 1")
    assert spark.table("dev.words.Few").count() == spark.table("few").count() == 2
    assert told(spark, "SELECT few.n FROM dev.words.few JOIN base ON few.n = base.id") == [[0], [1]]
    assert told(spark, "SELECT m FROM fewer") == [[1]]
    answer = client.statement_execution.execute_statement("SELECT * FROM dev.words.few", "laptop")
    assert answer.result is not None
    assert answer.result.data_array == [["0"], ["1"]]
    assert client.tables.get("dev.words.few").view_definition is not None
    with pytest.raises(AnalysisException, match="is a view: use DROP VIEW"):
        spark.sql("DROP TABLE dev.words.few")
    assert "few" in {table.name for table in spark.catalog.listTables("dev.words")}
    spark.sql("DROP VIEW dev.words.fewer")
    assert not client.tables.exists("dev.words.fewer").table_exists


def test_the_sample_of_trips_is_read_and_one_of_ones_own_comes_first(spark: SparkSession) -> None:
    trips = spark.read.table("samples.nyctaxi.trips")
    assert dict(trips.dtypes) == {
        "tpep_pickup_datetime": "timestamp",
        "tpep_dropoff_datetime": "timestamp",
        "trip_distance": "double",
        "fare_amount": "double",
        "pickup_zip": "int",
        "dropoff_zip": "int",
    }
    tidy = "trip_distance > 0 AND fare_amount > 0 AND tpep_dropoff_datetime > tpep_pickup_datetime"
    assert trips.where(tidy).count() == trips.count() == 2000
    summed = "SELECT count(t.pickup_zip) FROM Samples.NYCTaxi.Trips t WHERE t.fare_amount > 0"
    assert told(spark, summed) == [[2000]]
    with pytest.raises(PySparkException):
        spark.sql("INSERT INTO samples.nyctaxi.trips SELECT * FROM samples.nyctaxi.trips")
    spark.sql("CREATE CATALOG samples")
    spark.sql("CREATE SCHEMA samples.nyctaxi")
    spark.sql("CREATE TABLE samples.nyctaxi.trips AS SELECT 1 AS own")
    assert told(spark, "SELECT * FROM samples.nyctaxi.trips") == [[1]]
    spark.sql("DROP CATALOG samples CASCADE")


def test_describe_in_its_forms(spark: SparkSession) -> None:
    spark.sql("CREATE TABLE dev.words.seen (id INT NOT NULL, p DATE) PARTITIONED BY (p)")
    spark.sql("INSERT INTO dev.words.seen VALUES (1, DATE'2024-01-01')")
    assert told(spark, "DESCRIBE dev.words.seen")[0] == ["id", "int", None]
    extended = {row[0]: row[1] for row in told(spark, "DESCRIBE TABLE EXTENDED dev.words.seen")}
    assert (extended["Provider"], extended["Type"]) == ("delta", "MANAGED")
    (detail,) = spark.sql("DESCRIBE DETAIL dev.words.seen").collect()
    assert (detail["format"], detail["numFiles"]) == ("delta", 1)
    assert detail["partitionColumns"] == ["p"]
    history = spark.sql("DESCRIBE HISTORY dev.words.seen").collect()
    assert [row["version"] for row in history] == [1, 0]
    assert told(spark, "DESCRIBE QUERY SELECT 1 AS a")[0][:2] == ["a", "int"]
    assert ["Comment", ""] in told(spark, "DESCRIBE SCHEMA dev.words")
    assert ["Catalog Name", "dev"] in told(spark, "DESCRIBE CATALOG dev")


def test_show_and_the_information_schema_list_what_is_there(spark: SparkSession) -> None:
    spark.sql("CREATE TABLE dev.words.listed (id BIGINT NOT NULL)")
    spark.sql("CREATE OR REPLACE VIEW dev.words.listed_view AS SELECT 1 AS a")
    shown = told(spark, "SHOW TABLES IN dev.words LIKE 'listed*'")
    assert shown == [["words", "listed", False], ["words", "listed_view", False]]
    assert [row[1] for row in told(spark, "SHOW VIEWS IN dev.words")].count("listed_view") == 1
    assert ["words"] in told(spark, "SHOW SCHEMAS IN dev")
    found = told(
        spark,
        "SELECT t.table_name, t.table_type FROM dev.information_schema.tables t "
        "WHERE t.table_schema = 'words' AND t.table_name LIKE 'listed%' ORDER BY 1",
    )
    assert found == [["listed", "MANAGED"], ["listed_view", "VIEW"]]
    columns = spark.table("dev.information_schema.columns").where("table_name = 'listed'")
    assert [(row["column_name"], row["is_nullable"]) for row in columns.collect()] == [("id", "NO")]
    names = told(spark, "SELECT schema_name FROM system.information_schema.schemata")
    assert ["words"] in names
    with pytest.raises(AnalysisException, match="It has: schemata, tables, columns, views"):
        spark.sql("SELECT * FROM dev.information_schema.routines")


def test_a_catalog_that_sql_makes_can_be_used_at_once(
    spark: SparkSession, there: Connection, client: WorkspaceClient
) -> None:
    other = connect(there.spark)
    spark.sql("CREATE CATALOG IF NOT EXISTS Fresh")
    spark.sql("CREATE SCHEMA fresh.s")
    spark.sql("CREATE TABLE fresh.s.t AS SELECT 1 AS a")
    assert other.table("fresh.s.t").count() == 1
    assert client.catalogs.get("fresh").name == "fresh"
    other.sql("USE CATALOG fresh")
    assert told(other, "SELECT a FROM s.t") == [[1]]
    client.catalogs.create("fresher")
    spark.sql("CREATE SCHEMA fresher.s")
    other.stop()


def test_names_are_the_same_in_any_case(spark: SparkSession, client: WorkspaceClient) -> None:
    assert client.schemas.create("Mixed", "DEV").full_name == "dev.mixed"
    spark.sql("CREATE TABLE dev.words.TrainSet (Id INT)")
    assert spark.table("DEV.Words.trainset").columns == ["Id"]
    assert told(spark, "SELECT count(*) FROM DEV.WORDS.TRAINSET") == [[0]]
    with pytest.raises(AnalysisException, match="ALREADY_EXISTS"):
        spark.sql("CREATE TABLE dev.words.trainset (x INT)")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TABLE dev.words.no (a INT DEFAULT 1)", "write the value with each row"),
        ("CREATE TABLE dev.words.no (a INT, CONSTRAINT c CHECK (a > 0))", "Check the rows before"),
        ("ALTER TABLE dev.words.trainset DROP COLUMN x", "CREATE OR REPLACE TABLE"),
    ],
)
def test_what_is_not_there_is_refused_with_what_to_write(
    spark: SparkSession, statement: str, words: str
) -> None:
    with pytest.raises(AnalysisException, match=words):
        spark.sql(statement)


def test_maintenance_is_taken_and_does_nothing(spark: SparkSession) -> None:
    spark.sql("CREATE TABLE dev.words.kept AS SELECT 1 AS a")
    for statement in (
        "OPTIMIZE dev.words.kept",
        "VACUUM dev.words.kept",
        "TRUNCATE TABLE dev.words.kept",
    ):
        spark.sql(statement)
    assert spark.table("dev.words.kept").count() == 0
