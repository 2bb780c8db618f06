"""Streams from tables, through pyspark's own DataStreamWriter and StreamingQuery."""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from ...conftest import Toy

BEGIN = """
import json, os, signal, sys
from pathlib import Path
from databricks.sdk.runtime import spark

CHECKPOINT = "/Volumes/dev/streams/checkpoints/{name}"
SOURCE, TARGET = "dev.streams.{name}", "dev.streams.{name}_out"
spark.sql("CREATE SCHEMA IF NOT EXISTS dev.streams")
spark.sql("CREATE VOLUME IF NOT EXISTS dev.streams.checkpoints")


def make(parted=""):
    spark.sql(f"CREATE TABLE {{SOURCE}} (id BIGINT, part STRING) {{parted}}")
    spark.sql(f"CREATE TABLE {{TARGET}} (id BIGINT, part STRING, batch BIGINT)")


def add(*rows):
    for id, part in rows:
        spark.sql(f"INSERT INTO {{SOURCE}} VALUES ({{id}}, '{{part}}')")


def write(rows, batch):
    rows.createOrReplaceTempView("found")
    rows.sparkSession.sql(f"INSERT INTO {{TARGET}} SELECT id, part, {{batch}} FROM found")


def stream(sink=write, checkpoint=None, change=lambda rows: rows, **options):
    rows = change(spark.readStream.options(**options).table(SOURCE))
    place = checkpoint or CHECKPOINT
    writer = rows.writeStream.foreachBatch(sink).option("checkpointLocation", place)
    query = writer.trigger(availableNow=True).start()
    query.awaitTermination()
    return query


def show(what=None):
    rows = spark.table(TARGET).orderBy("id", "batch").collect()
    print("SHOWN", json.dumps(what or [list(row) for row in rows]))
"""
Run = Callable[..., Any]


@pytest.fixture
def run(toy: Toy, request: pytest.FixtureRequest) -> Run:
    """Run a program with a workspace's `spark`, and return what it shows, or its last error."""
    name = request.node.name.partition("[")[0].removeprefix("test_")[:40]

    def start(program: str) -> Any:
        code = BEGIN.format(name=name) + program
        out, err = toy.start("exec", "--", sys.executable, "-c", code).communicate(timeout=300)
        shown = [line[6:] for line in out.splitlines() if line.startswith("SHOWN ")]
        return json.loads(shown[-1]) if shown else err.strip()

    return start


def test_a_stream_reads_what_is_there_then_what_comes_and_nothing_twice(run: Run) -> None:
    assert run(
        """
make()
add((0, 'a'), (1, 'a'), (2, 'b'))
query = stream(maxFilesPerTrigger=2, change=lambda rows: rows.where("id > 0"))
progress = [each["numInputRows"] for each in query.recentProgress]
assert (query.isActive, query.exception(), progress) == (False, None, [2, 1])
add((3, 'c'))
spark.sql(f"MERGE INTO {SOURCE} o USING (SELECT 4 AS id) n ON o.id = n.id "
          "WHEN NOT MATCHED THEN INSERT (id, part) VALUES (n.id, 'd')")
again = stream()
assert again.id == query.id and again.runId != query.runId
assert stream().lastProgress is None
show()
"""
    ) == [[1, "a", 0], [2, "b", 1], [3, "c", 2], [4, "d", 2]]


def test_a_batch_that_was_killed_is_read_again_as_it_was(run: Run) -> None:
    run(
        """
make("PARTITIONED BY (part)")
add((0, 'a'), (1, 'b'), (2, 'c'))


def die(rows, batch):
    write(rows, batch)
    if batch == 1:
        os.kill(os.getpid(), signal.SIGKILL)


stream(die, maxFilesPerTrigger=1)
"""
    )
    # Rows that came meanwhile are none of the batch that is read again.
    assert run("add((3, 'd'))\nstream(maxFilesPerTrigger=10)\nshow()") == [
        [0, "a", 0],
        [1, "b", 1],
        [1, "b", 1],
        [2, "c", 2],
        [3, "d", 2],
    ]


def test_a_stream_begins_where_it_is_asked_to(run: Run) -> None:
    assert run(
        """
make()
add((0, 'a'), (1, 'a'), (2, 'a'))
stream(startingVersion=3)
stream(startingVersion="latest", checkpoint=CHECKPOINT + "_latest")
show()
"""
    ) == [[2, "a", 0]]


CHANGED = "make()\nadd((0, 'a'), (1, 'b'))\nstream()\n"


@pytest.mark.parametrize(
    ("statement", "code", "option"),
    [
        (
            "UPDATE {SOURCE} SET part = 'c' WHERE id = 0",
            "TABLE_IGNORE_CHANGES",
            "skipChangeCommits",
        ),
        pytest.param(
            "DELETE FROM {SOURCE} WHERE id = 0",
            "IGNORE_DELETE",
            "ignoreDeletes",
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_rows_that_change_in_the_source_stop_the_stream(
    run: Run, statement: str, code: str, option: str
) -> None:
    place = (
        f"SOURCE, TARGET, CHECKPOINT = (n + '_{option}' for n in (SOURCE, TARGET, CHECKPOINT))\n"
    )
    said = run(f"{place}{CHANGED}spark.sql(f\"{statement}\")\nadd((2, 'n'))\nstream()")
    assert f"[DELTA_SOURCE_{code}]" in said, said
    assert option in said
    assert run(f"{place}stream({option}='true')\nshow()") == [
        [0, "a", 0],
        [1, "b", 0],
        [2, "n", 1],
    ]


REFUSED = {
    "stream(lambda rows, batch: 1 / 0)": "terminated with exception: division by zero",
    "stream(checkpoint='/tmp/here')": "a folder in a volume",
    "stream(checkpoint='/Volumes/dev/streams/none/x')": "There is no volume dev.streams.none",
    "stream(change=lambda rows: rows.groupBy('id').count())": "keeps no state",
    "stream(change=lambda rows: rows.dropDuplicates(['id']))": "keeps no state",
    "stream(readChangeFeed='true')": "takes no readchangefeed",
    "stream(lambda rows, batch: SOURCE and spark.range(1))": "Cannot serialize the function",
    "start().start()": "[INFINITE_STREAMING_TRIGGER_NOT_SUPPORTED]",
    "start().trigger(availableNow=True).toTable('dev.streams.other')": "by foreachBatch alone",
    "[running(), stream()]": "[CONCURRENT_STREAM_LOG_UPDATE]",
    "[stop(), stream(), anew(), stream()]": "dropped and created again",
}
ASK = """
make()
add((0, "a"))


def start():
    rows = spark.readStream.table(SOURCE).writeStream
    return rows.foreachBatch(write).option("checkpointLocation", CHECKPOINT)


def slow(rows, batch):
    import time

    time.sleep(10)


started = []


def running():
    rows = spark.readStream.table(SOURCE).writeStream.foreachBatch(slow)
    rows = rows.option("checkpointLocation", CHECKPOINT).trigger(availableNow=True)
    started.append(rows.start())


def stop():
    started[0].stop()


def anew():
    spark.sql(f"DROP TABLE {SOURCE}")
    spark.sql(f"DROP TABLE {TARGET}")
    make()
    add((0, "a"))


said = []
for each in ASKED:
    try:
        said.append(str(eval(each)))
    except Exception as error:
        said.append(str(error))
show(said)
"""


def test_what_a_stream_cannot_do_here_is_refused(run: Run) -> None:
    found = run(f"ASKED = {list(REFUSED)!r}\n{ASK}")
    assert isinstance(found, list), found
    missed = [(f, s) for f, s in zip(found, REFUSED.values(), strict=True) if s not in f]
    assert not missed
