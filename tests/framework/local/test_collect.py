"""The inference log: rows from batch and from an endpoint's payloads, and their labels."""

import json
from collections.abc import Iterator

import pytest

from flight_delays.problem import PROBLEM
from flight_delays.spec.problem import FEATURES_AT

from tests.conftest import MODEL, SCHEMA, Laptop
from tests.declared import catalog_of
from tests.problem.instants import FIRST

TARGET = f"{catalog_of('dev')}.collected"
PAYLOAD = f"{TARGET}.endpoint_payload"
LOG = f"{TARGET}.inference_log"
COLUMNS = (
    "databricks_request_id STRING, request_date DATE, client_request_id STRING, "
    "request_time TIMESTAMP, status_code INT, sampling_fraction DOUBLE, "
    "execution_duration_ms BIGINT, request STRING, response STRING, "
    "logging_error_codes ARRAY<STRING>, served_entity_id STRING, requester STRING"
)
KEYS = list(PROBLEM.keys)
OLD = "TIMESTAMP '2011-01-01'"
NEEDED = [column for column in PROBLEM.columns if column != FEATURES_AT]
# Delay of late requests, in days before the task runs.
ROWS = f"""
import json
import sys
from datetime import datetime, timedelta, UTC
from databricks.sdk.runtime import spark

spine = {PROBLEM.spine.source!r}
known = spark.sql(
    "SELECT s.* FROM {SCHEMA}.{PROBLEM.spine.source} s JOIN {SCHEMA}.{PROBLEM.label.source} l "
    "ON {" AND ".join(f"s.{key} = l.{key}" for key in KEYS)} "
    "WHERE {PROBLEM.label.where} AND l.{PROBLEM.label.known_at} < TIMESTAMP '{FIRST}' "
    "ORDER BY s.{PROBLEM.spine.decision_at} DESC, {", ".join(f"s.{key}" for key in KEYS)} LIMIT 2"
).toPandas()
rows = json.loads(known[{NEEDED!r}].to_json(orient="records", date_format="iso"))
unknown = [{{k: v for k, v in rows[0].items() if k not in {KEYS!r}}}]
# JSON can name half a character, and an instant that no table can hold.
half = [rows[0] | dict.fromkeys({KEYS!r}, chr(0xD800))]
ancient = [rows[0] | {{{PROBLEM.spine.decision_at!r}: "0001-01-01T00:00:00+05:00"}}]
now = datetime.fromisoformat("{FIRST}").replace(tzinfo=UTC)

def logged(number, entity, rows, days=2, status=200, answers=None, error=(), **more):
    body = {{"dataframe_records": rows, **more}}
    answers = [0.3 + 0.4 * at for at in range(len(rows))] if answers is None else answers
    at = now - timedelta(days=days)
    return (number, at.date(), more.get("client_request_id"), at, status, 1.0, 7,
            json.dumps(body), json.dumps({{"predictions": answers}}), list(error), entity, None)

good = logged("good", "old", rows)
payloads = [
    logged("deploy", "old", rows, 9, client_request_id="deploy:{MODEL}:1:8f0c"),
    good,
    good,
    logged("keyless", "old", unknown),
    logged("late", "old", rows[:1], 6),
    logged("half", "old", half),
    logged("ancient", "old", ancient),
    logged("fails", "old", rows, status=500),
    logged("twice", "old", rows),
    logged("twice", "old", rows[::-1]),
    logged("short", "old", rows, answers=[0.5]),
    logged("cut", "old", rows)[:8] + (None, ["MAX_RESPONSE_SIZE_EXCEEDED"], "old", None),
    logged("foreign", "another", rows),
    logged("load", "old", rows, client_request_id="loadtest:"),
    logged("young", "new", rows, days=0.1),
]
spark.createDataFrame(payloads, "{COLUMNS}").write.mode("append").saveAsTable("{PAYLOAD}")
"""
COLLECT = f"""
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import collect

collect.run(collect.CollectParameters(
    model="{MODEL}", source="{SCHEMA}", target="{TARGET}", as_of="{FIRST}", policy="policy_small",
    collected_at="{FIRST}",
), Lakehouse())
"""

# A session that is killed after a write to a table.
CUT = """
import os

class Cut:
    def __init__(self, session):
        self.session = session
    def __getattr__(self, name):
        return getattr(self.session, name)
    def sql(self, statement, **more):
        done = self.session.sql(statement, **more)
        if statement.startswith("MERGE INTO TABLE "):
            print("CUT", flush=True)
            os._exit(0)
        return done

def cut(lakehouse):
    lakehouse.spark = Cut(lakehouse.spark)
    return lakehouse
"""


@pytest.fixture(scope="module")
def collected(trained: Laptop) -> Iterator[Laptop]:
    """Yield a workspace with collected rows of batch and of an endpoint's requests."""
    trained.sql(f"CREATE SCHEMA {TARGET}")
    trained.sql(f"CREATE TABLE {TARGET}.predictions AS SELECT * FROM {SCHEMA}.predictions")
    # Before the first logged request, the table has a single column.
    trained.sql(f"CREATE TABLE {PAYLOAD} (databricks_request_id STRING) USING DELTA")
    assert "no request has been logged yet" in trained.execute(COLLECT)
    trained.sql(f"DROP TABLE {PAYLOAD}")
    trained.sql(f"CREATE TABLE {PAYLOAD} ({COLUMNS}) USING DELTA")
    trained.execute(ROWS)
    trained.execute(COLLECT)
    yield trained
    trained.sql(f"DROP SCHEMA {TARGET} CASCADE")


def test_each_prediction_of_batch_is_logged_once_with_features_and_class(
    collected: Laptop,
) -> None:
    (found,) = collected.sql(
        f"SELECT count(*) AS n, count(DISTINCT row_id) AS ids, count(*) - count(score) AS blank, "
        f"sum(CASE WHEN prediction = CASE WHEN score >= 0.25 THEN '1' ELSE '0' END THEN 0 ELSE 1 "
        f"END) AS off, count({PROBLEM.feature_columns[0]}) AS seen FROM {LOG} "
        "WHERE source = 'batch' AND features_from = 'batch' AND model_version = '1'"
    )
    (made,) = collected.sql(f"SELECT count(*) AS n FROM {TARGET}.predictions")
    assert found["n"] == found["ids"] == found["seen"] == made["n"] > 100
    assert (found["blank"], found["off"]) == (0, 0)


def test_rows_of_requests_are_logged_with_version_class_and_features(collected: Laptop) -> None:
    looked_up = PROBLEM.feature_tables[0].features[0]
    rows = collected.sql(
        f"SELECT row_id, score, prediction, model_name, model_version, features_from, "
        f"{looked_up} IS NOT NULL AS found FROM {LOG} WHERE source = 'endpoint' ORDER BY row_id"
    )
    taken = ["ancient-0", "good-0", "good-1", "keyless-0", "late-0"]
    assert [row["row_id"] for row in rows] == taken
    assert [row["score"] for row in rows] == [0.3, 0.3, 0.7, 0.3, 0.3]
    assert {row["prediction"] for row in rows} == {"1"}
    assert {(row["model_name"], row["model_version"]) for row in rows} == {(MODEL, "1")}
    assert all(row["features_from"] == "lookup" and row["found"] for row in rows)


def test_what_cannot_be_used_is_kept_aside_with_its_reason_and_what_is_young_waits(
    collected: Laptop,
) -> None:
    rows = collected.sql(
        f"SELECT request_id, reason FROM {TARGET}.inference_rejected ORDER BY request_id"
    )
    assert {row["request_id"]: row["reason"] for row in rows} == {
        "cut": "logged with faults: MAX_RESPONSE_SIZE_EXCEEDED",
        "fails": "status 500",
        "foreign": "no version is known for its served entity",
        "half": f"its {KEYS[0]} is no {PROBLEM.keys[KEYS[0]]}",
        "short": "1 predictions for 2 rows",
        "twice": "logged with faults: delivered twice, with different content",
    }


def test_requests_have_failed_of_which_nothing_is_logged(collected: Laptop) -> None:
    printed = collected.execute(f"""
from datetime import datetime, UTC
from databricks.sdk.runtime import spark
from flight_delays.lakehouse.payload_log import read_outcomes

since = datetime(2013, 1, 1, tzinfo=UTC)
found = read_outcomes(spark, "{PAYLOAD}", since, rejected="{TARGET}.inference_rejected")
print(len(found), int(found["failed"].sum()))
""")
    # Without requests of deploy and of the load test; two were logged twice.
    assert printed.split() == ["13", "7"]


def test_requests_that_wait_are_taken_oldest_first(collected: Laptop) -> None:
    printed = collected.execute(f"""
from databricks.sdk.runtime import spark
from flight_delays.lakehouse import payload_log

empty = {{name: f"(SELECT * FROM {TARGET}.{{name}} WHERE false)" for name in
         ("inference_log", "inference_rejected")}}
payload_log.CHUNK = 1
read = payload_log.read_payloads(
    spark, "{PAYLOAD}", log=empty["inference_log"], rejected=empty["inference_rejected"]
)
times = [payload.request_time for payloads in read for payload in payloads]
print(len(times), times == sorted(times), times[0] < times[-1])
""")
    # Deduplicated, without requests of deploy and of the load test.
    assert printed.split() == ["11", "True", "True"]


def test_profiling_reads_all_labels_for_only_the_log_has_a_change_feed(collected: Laptop) -> None:
    printed = collected.execute(f"""
from flight_delays.lakehouse.context import Lakehouse

tables = Lakehouse().workspace.tables
for name in ("inference_log", "inference_log_labelled"):
    print((tables.get(f"{TARGET}.{{name}}").properties or {{}}).get("delta.enableChangeDataFeed"))
""")
    assert printed.split() == ["true", "None"]


def test_labels_join_by_the_keys_of_a_request_and_corrected_ones_too(collected: Laptop) -> None:
    label = PROBLEM.label
    rows = collected.sql(
        f"SELECT l.row_id, l.label, o.{label.column} AS truth FROM {LOG}_labelled l "
        f"LEFT JOIN {SCHEMA}.{label.source} o "
        f"ON {' AND '.join(f'l.{key} = o.{key}' for key in KEYS)} WHERE l.source = 'endpoint'"
    )
    truth = {row["row_id"]: row["truth"] for row in rows}
    labels = {row["row_id"]: row["label"] for row in rows}
    assert labels == {row: None if t is None else str(int(t)) for row, t in truth.items()}
    assert [row for row, given in labels.items() if given is None] == ["keyless-0"]
    collected.sql(f"UPDATE {LOG}_labelled SET label = '5' WHERE row_id = 'good-0'")
    collected.execute(COLLECT)
    (corrected,) = collected.sql(f"SELECT label FROM {LOG}_labelled WHERE row_id = 'good-0'")
    assert corrected["label"] == labels["good-0"]


def test_collected_again_nothing_is_doubled_and_a_marker_that_comes_late_counts(
    collected: Laptop,
) -> None:
    count = f"SELECT source, count(*) AS n FROM {LOG} GROUP BY source ORDER BY source"
    before = collected.sql(count)
    collected.execute(COLLECT)
    assert collected.sql(count) == before
    late = json.dumps({"predictions": [0.1]})
    collected.sql(
        f"INSERT INTO {PAYLOAD} SELECT 'deploy-2', request_date, 'deploy:{MODEL}:2:77', "
        f"request_time, 200, 1.0, 7, request, '{late}', logging_error_codes, 'new', requester "
        f"FROM {PAYLOAD} WHERE databricks_request_id = 'young'"
    )
    collected.execute(COLLECT)
    rows = collected.sql(
        f"SELECT row_id, model_version FROM {LOG} WHERE row_id LIKE 'young%' ORDER BY row_id"
    )
    assert [(row["row_id"], row["model_version"]) for row in rows] == [
        ("young-0", "2"),
        ("young-1", "2"),
    ]


@pytest.mark.parametrize(
    "table",
    [
        "inference_log_labelled",
        *(
            pytest.param(each, marks=pytest.mark.nightly)
            for each in ("inference_log", "inference_rejected")
        ),
    ],
)
def test_killed_once_it_has_written_to_a_table_it_loses_and_doubles_nothing(
    collected: Laptop, table: str
) -> None:
    for name, answer in ((f"{table}-good", "[0.3, 0.7]"), (f"{table}-bad", "[0.3]")):
        collected.sql(
            f"INSERT INTO {PAYLOAD} SELECT '{name}', request_date, NULL, request_time, 200, 1.0, "
            f"7, request, '{{\"predictions\": {answer}}}', logging_error_codes, 'old', requester "
            f"FROM {PAYLOAD} WHERE databricks_request_id = 'short'"
        )
    whole = collected.sql(f"SELECT count(*) AS n FROM {LOG}")[0]["n"]
    killed = CUT.replace("TABLE", f"{TARGET}.{table}") + COLLECT.replace(
        "Lakehouse())", "cut(Lakehouse()))"
    )
    assert collected.execute(killed).endswith("CUT\n")
    collected.execute(COLLECT)
    for name in (LOG, f"{LOG}_labelled"):
        (found,) = collected.sql(f"SELECT count(*) AS n, count(DISTINCT row_id) AS ids FROM {name}")
        assert found["n"] == found["ids"] == whole + 2
    aside = collected.sql(
        f"SELECT request_id FROM {TARGET}.inference_rejected WHERE request_id LIKE '{table}-%'"
    )
    assert [row["request_id"] for row in aside] == [f"{table}-bad"]


def test_what_batch_scores_anew_is_logged_and_not_profiled(collected: Laptop) -> None:
    printed = collected.execute(f"""
from databricks.sdk.runtime import spark
from pyspark.sql import functions as F
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import assess

anew = spark.table("{TARGET}.predictions").limit(50).withColumns({{
    "model_version": F.lit(2).cast("int"), "scored_at": F.expr("scored_at + INTERVAL 1 HOUR"),
}})
anew.write.mode("append").saveAsTable("{TARGET}.predictions")
{COLLECT}
since = assess.read_start("{MODEL}", 1, "{LOG}", Lakehouse())
newest = spark.sql("SELECT unix_micros(max(scored_at)) AS newest FROM {TARGET}.predictions").first()
print(since == assess.read_micros(newest.newest))
""")
    count = "SELECT count(*) AS n FROM {} WHERE source = 'batch' AND model_version = '2'"
    assert collected.sql(count.format(LOG)) == [{"n": 50}]
    assert collected.sql(count.format(f"{LOG}_labelled")) == [{"n": 0}]
    # A version in use again counts only from then on.
    assert printed.endswith("True\n")


def test_rows_that_are_too_old_are_deleted_but_not_what_names_versions(collected: Laptop) -> None:
    collected.sql(
        f"UPDATE {PAYLOAD} SET request_time = {OLD} "
        "WHERE databricks_request_id IN ('good', 'deploy')"
    )
    for table in (LOG, f"{LOG}_labelled"):
        collected.sql(f"UPDATE {table} SET scored_at = {OLD} WHERE row_id LIKE 'good-%'")
    anew = f"{TARGET}.predictions WHERE model_version = 2"
    collected.sql(f"UPDATE {TARGET}.predictions SET scored_at = {OLD} WHERE model_version = 2")
    collected.execute(COLLECT)
    assert collected.sql(f"SELECT count(*) AS n FROM {anew}") == [{"n": 0}]
    assert collected.sql(f"SELECT count(*) AS n FROM {TARGET}.predictions")[0]["n"] > 100
    left = collected.sql(f"SELECT databricks_request_id AS id FROM {PAYLOAD}")
    ids = {row["id"] for row in left}
    assert "good" not in ids
    assert {"deploy", "late"} <= ids
    for table in (LOG, f"{LOG}_labelled"):
        assert collected.sql(f"SELECT row_id FROM {table} WHERE row_id LIKE 'good-%'") == []
        assert collected.sql(f"SELECT row_id FROM {table} WHERE row_id = 'late-0'") != []
