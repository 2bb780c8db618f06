"""Writers of one table at once, through Spark Connect clients of their own."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from laptop.connection import Connection
from laptop.engine.session import connect
from pyspark.sql.connect.session import SparkSession

TIMES, WRITERS = 3, 3
INSERT = "INSERT INTO {table} SELECT * FROM mine"
REPLACE = "INSERT INTO {table} REPLACE WHERE writer = {writer} AND n = {n} SELECT * FROM mine"
MERGE = (
    "MERGE INTO {table} old USING mine new ON old.writer = new.writer AND old.n = new.n "
    "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
)


@pytest.mark.parametrize("statement", [INSERT, REPLACE, MERGE, ""])
def test_writers_of_one_table_wait_for_each_other(there: Connection, statement: str) -> None:
    named = {INSERT: "inserted", REPLACE: "replaced", MERGE: "merged", "": "appended"}
    table = f"dev.writers.{named[statement]}"
    spark: SparkSession = connect(there.spark)
    spark.sql("CREATE SCHEMA IF NOT EXISTS dev.writers")
    spark.sql(f"CREATE TABLE {table} (writer BIGINT, n BIGINT)")

    def write(writer: int) -> None:
        session = connect(there.spark)
        for n in range(TIMES):
            rows = session.createDataFrame(pd.DataFrame({"writer": [writer], "n": [n]}))
            if statement:
                rows.createOrReplaceTempView("mine")
                session.sql(statement.format(table=table, writer=writer, n=n))
            else:
                rows.write.mode("append").saveAsTable(table)
        session.stop()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    found = sorted((row["writer"], row["n"]) for row in spark.table(table).collect())
    spark.stop()
    assert found == [(writer, n) for writer in range(WRITERS) for n in range(TIMES)]
