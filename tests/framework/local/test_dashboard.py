"""The project's dashboard and alert on tables of the job monitoring."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from laptop.dashboards.definition import read_definition
from laptop.state_dir import StateDir

from tests.conftest import SCHEMA, Laptop
from tests.declared import ROOT

DASHBOARD = ROOT / "dashboards" / "model.lvdash.json"

# The tasks' tables, and the metric table of data profiling.
TABLES = f"""
from functools import partial
from databricks.sdk.runtime import spark
from flight_delays.lakehouse.inference_log import create_log
from flight_delays.lakehouse.quarantine import create_quarantine
from flight_delays.lakehouse.results import create_results
from flight_delays.lakehouse.tables import create_table
from flight_delays.problem import PROBLEM
from flight_delays.tasks.parameters import in_schema
qualify = partial(in_schema, "{SCHEMA}")
spark.sql("CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
create_log(spark, PROBLEM, qualify)
create_quarantine(spark, qualify("quarantine"))
create_results(spark, qualify)
span = "STRUCT<start: TIMESTAMP, `end`: TIMESTAMP>"
texts = "granularity model_version slice_key slice_value column_name data_type".split()
create_table(
    spark,
    qualify("inference_log_labelled_profile_metrics"),
    f"`window` {{span}}, log_type STRING, " + ", ".join(f"{{name}} STRING" for name in texts)
    + ", count BIGINT, num_nulls BIGINT, percent_null DOUBLE, accuracy_score DOUBLE, cost DOUBLE",
)
"""
AT = "TIMESTAMP '2026-03-02 10:00:00'"
# A day of predictions, one of them wrong, and quarantined rows.
ROWS = {
    "inference_log": [
        {"scored_at": AT, "score": "0.2D", "model_version": "'1'", "source": "'batch'"},
        {"scored_at": AT, "score": "0.7D", "model_version": "'2'", "source": "'endpoint'"},
    ],
    "inference_log_labelled": [
        {"scored_at": AT, "prediction": "'0'", "model_version": "'1'", "label": "'0'"},
        {"scored_at": AT, "prediction": "'1'", "model_version": "'2'", "label": "'0'"},
    ],
    "inference_rejected": [{"seen_at": AT, "reason": "'its JSON is cut off'"}],
    "quarantine": [
        {"source": "'weather'", "row_key": "'k'", "reason": "'temp above 130'",
         "outcome": "'left out'", "content": "''", "first_seen": AT}
    ],
    "test_results": [
        {"tested_at": AT, "suite": "'integration'", "test_name": "'all is well'",
         "outcome": "'failed'", "seconds": "2D", "detail": "'it is not'"},
        {"tested_at": AT, "suite": "'load'", "test_name": "'p95_ms of 4 clients'",
         "outcome": "'passed'", "seconds": "20D", "value": "87D", "threshold": "1000D"},
        {"tested_at": AT, "suite": "'load'", "test_name": "'p99_ms of 4 clients'",
         "outcome": "'measured'", "seconds": "20D", "value": "120D"},
    ],
    "validation_results": [
        {"judged_at": AT, "model_version": "2", "check_name": "'log_loss'", "ok": "true",
         "value": "0.25D", "threshold": "0.5D"}
    ],
    "inference_log_labelled_profile_metrics": [
        {"window": f"named_struct('start', {AT}, 'end', {AT})", "log_type": "'INPUT'",
         "model_version": f"'{version}'", "column_name": "':table'", "count": "2L", "cost": "1.5D",
         **({"slice_key": "'origin'", "slice_value": "'JFK'"} if version == "*" else {})}
        for version in ("*", "2")
    ],
}  # fmt: skip
FILL = f"""
from databricks.sdk.runtime import spark
for name, rows in {ROWS!r}.items():
    table = "{SCHEMA}." + name
    for row in rows:
        listed = ", ".join(
            "CAST(" + row.get(column.name, "NULL") + " AS " + column.dataType.simpleString()
            + ") AS `" + column.name + "`"
            for column in spark.table(table).schema
        )
        spark.sql("INSERT INTO " + table + " SELECT " + listed)
"""
SIGNALS = {
    "drift of distance": ("numerical_drift", 0.6, 0.5, "over"),
    "drift of carrier": ("categorical_drift", 0.1, 0.3, "within"),
    "drift of the score": ("score_drift", 0.2, 0.3, "within"),
    "log_loss": ("quality", 0.4, 0.65, "within"),
    "errors": ("errors", 0.0, 0.02, "within"),
    "latency": ("latency", 80.0, 1000.0, "within"),
    "age of weather_features": ("freshness", 0.5, 1.0, "within"),
    "skew of requests": ("skew", 0.01, 0.05, "within"),
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """Yield a workspace without predictions."""
    laptop = Laptop(StateDir(tmp_path_factory.mktemp("watched")))
    try:
        assert laptop.call("up").returncode == 0
        laptop.execute(TABLES)
        yield laptop
    finally:
        laptop.close()


@pytest.fixture(scope="module")
def watched(empty: Laptop) -> Laptop:
    """Return the workspace with rows in every table."""
    empty.execute(FILL)
    return empty


def assess(laptop: Laptop, verdict: str, *, hours_ago: float) -> None:
    """Replace all verdicts by a single one."""
    figures = [
        {"signal": name, "kind": kind, "statistic": "psi", "unit": "", "value": value,
         "threshold": limit, "then": "watch", "windows_over": 0, "windows": 1, "skipped": "",
         "state": state, "detail": f"{value:g} of {limit:g}"}
        for name, (kind, value, limit, state) in SIGNALS.items()
    ]  # fmt: skip
    at = f"{datetime.now(UTC) - timedelta(hours=hours_ago):%Y-%m-%d %H:%M:%S}"
    laptop.sql(f"DELETE FROM {SCHEMA}.model_health")
    laptop.sql(
        f"INSERT INTO {SCHEMA}.model_health VALUES (TIMESTAMP '{at}', 'm', '2', '{verdict}', "
        f"'as the test has it', '{json.dumps(figures)}', TIMESTAMP '2026-03-02 00:00:00', "
        "TIMESTAMP '2026-03-03 00:00:00', '1')"
    )


def draw(laptop: Laptop) -> str:
    done = laptop.call("dashboard")
    assert done.returncode == 0, done.stdout + done.stderr
    link = re.search(r"file://\S+", done.stdout)
    assert link is not None
    return Path(unquote(urlparse(link[0]).path)).read_text()


def section(page: str, name: str) -> str:
    found = re.search(rf'<section class="[^"]*" id="{name}".*?</section>', page, re.S)
    assert found is not None, name
    return found[0]


def test_the_file_is_as_databricks_shows_it() -> None:
    definition = read_definition(DASHBOARD.read_text())
    used = {q.dataset for p in definition.pages for w in p.widgets for q in w.queries.values()}
    assert used == set(definition.datasets)


def test_no_query_needs_the_drift_table_or_the_payload_which_may_not_be_there_yet() -> None:
    text = DASHBOARD.read_text()
    assert "drift_metrics" not in text
    assert "payload" not in text
    # Catalog and schema are those of the target.
    tables = set(re.findall(r"\b(?:FROM|JOIN) ([\w.`]+)", text))
    assert tables == {
        "inference_log",
        "inference_log_labelled",
        "inference_log_labelled_profile_metrics",
        "inference_rejected",
        "model_health",
        "quarantine",
        "test_results",
        "validation_results",
    }


def test_every_query_runs_before_anything_was_predicted(empty: Laptop) -> None:
    page = draw(empty)
    assert 'class="error"' not in page
    assert "No data yet" in section(page, "traffic")


def test_the_alert_is_triggered_while_nothing_was_assessed(empty: Laptop) -> None:
    empty.sql(f"DELETE FROM {SCHEMA}.model_health")
    done = empty.call("alerts")
    assert done.returncode == 1
    assert "TRIGGERED" in done.stdout
    assert "the query has no row" in done.stdout


@pytest.mark.parametrize(
    ("verdict", "hours_ago", "state"),
    [
        ("Healthy", 1, "OK"),
        ("Watch", 47, "OK"),
        ("Healthy", 49, "TRIGGERED"),
        ("Retrain", 1, "TRIGGERED"),
        ("Blind", 1, "TRIGGERED"),
        ("Stale", 1, "TRIGGERED"),
    ],
)
def test_the_alert_follows_the_latest_verdict(
    empty: Laptop, verdict: str, hours_ago: float, state: str
) -> None:
    assess(empty, verdict, hours_ago=hours_ago)
    done = empty.call("alerts")
    assert (done.returncode, done.stdout.split()[0]) == (int(state != "OK"), state)
    assert "reason: as the test has it" in done.stdout


def test_the_page_shows_what_the_tables_hold(watched: Laptop) -> None:
    assess(watched, "Retrain", hours_ago=1)
    page = draw(watched)
    assert 'class="value">Retrain<' in section(page, "verdict")
    assert 'class="value">version 2<' in section(page, "version")
    assert 'class="value">2<' in section(page, "answers")
    drawn = {
        "traffic": {"batch", "endpoint"},
        "versions_over_time": {"version 1", "version 2"},
        "rates": {"label", "score"},
        "error": {"version 1", "version 2"},
        "numerical_drift": {"drift of distance", "threshold"},
        "categorical_drift": {"drift of carrier", "threshold"},
        "score_drift": {"drift of the score", "threshold"},
        "quality": {"log_loss", "threshold"},
        "errors": {"errors", "threshold"},
        "latency": {"latency", "threshold"},
        "ages": {"age of weather_features", "skew of requests", "threshold"},
        "outcomes_of_tests": {"integration: failed", "load: passed"},
        "load": {"p95_ms of 4 clients", "p99_ms of 4 clients"},
    }
    for name, words in drawn.items():
        assert words <= set(re.findall(r">([^<>]+)</text>", section(page, name))), name
    for name in ("rejected", "quarantined", "costs", "slice_costs", "verdicts_by_day"):
        assert "<svg" in section(page, name), name
    rows = {
        "quarantined_rows": ["weather", "left out", "temp above 130"],
        "worst_slices": ["origin = JFK", "1.5"],
        "promotions": ["1", "2"],
        "verdicts": ["Retrain", "as the test has it"],
        "test_rows": ["all is well", "it is not", "p95_ms of 4 clients", "87", "1,000"],
        "checks": ["log_loss", "passed", "0.25"],
    }
    for name, cells in rows.items():
        found = re.findall(r"<td[^>]*>(.*?)</td>", section(page, name))
        assert set(cells) <= set(found), name
    # Exceeded limits come first.
    first, *_ = re.findall(r"<td[^>]*>(.*?)</td>", section(page, "figures"))
    assert first == "drift of distance"
