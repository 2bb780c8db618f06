"""`laptop dashboard` and `laptop alerts`, over a workspace and a bundle of both."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from databricks.sdk import WorkspaceClient
from laptop.connection import Connection
from laptop.engine.session import connect

from ..conftest import Toy

BUNDLE = """
variables:
  warehouse: {lookup: {warehouse: Serverless Starter Warehouse}}
resources:
  dashboards:
    seen:
      display_name: seen
      file_path: seen.lvdash.json
      warehouse_id: ${var.warehouse}
      dataset_catalog: dev
      dataset_schema: drawn
  alerts:
    many:
      display_name: many
      warehouse_id: ${var.warehouse}
      query_text: SELECT n, 'why' AS reason FROM dev.drawn.counted ORDER BY n DESC LIMIT 1
      evaluation:
        source: {name: n}
        comparison_operator: GREATER_THAN
        threshold: {value: {double_value: 2}}
        empty_result_state: OK
        notification: {subscriptions: [{user_email: ann@example.com}]}
      schedule: {quartz_cron_schedule: "0 0 7 * * ?", timezone_id: UTC}
"""
FIELDS = {
    "day": "`day`",
    "kind": "`kind`",
    "n": "`n`",
    "sum(n)": "SUM(`n`)",
    "count": "COUNT(DISTINCT `kind`)",
}


def widget(name: str, kind: str, fields: list[str], encodings: object, *place: int) -> object:
    query = {
        "datasetName": "counted",
        "fields": [{"name": field, "expression": FIELDS[field]} for field in fields],
        "disaggregated": kind == "table",
    }
    version = 3 if kind in ("bar", "line") else 2
    return {
        "position": dict(zip(("x", "y", "width", "height"), place, strict=True)),
        "widget": {
            "name": name,
            "queries": [{"name": "main_query", "query": query}],
            "spec": {
                "version": version,
                "widgetType": kind,
                "encodings": encodings,
                "frame": {"showTitle": True, "title": f"Title of {name}"},
            },
        },
    }


def field(name: str, **more: str) -> dict[str, str]:
    return {"fieldName": name, **more}


CHART = {"x": field("day"), "y": field("sum(n)"), "color": field("kind")}
COLUMNS = {"columns": [field("day"), field("kind", displayName="Its kind"), field("n")]}
DAYS = {"fields": [field("day", queryName="main_query")]}
DASHBOARD = {
    "datasets": [
        {"name": "counted", "queryLines": ["SELECT * FROM counted ", "ORDER BY day DESC, n"]}
    ],
    "pages": [
        {
            "name": "only",
            "layoutVersion": "GRID_V1",
            "layout": [
                {
                    "position": {"x": 0, "y": 0, "width": 6, "height": 2},
                    "widget": {
                        "name": "text",
                        "multilineTextboxSpec": {"lines": ["## A <heading>\n", "Below it."]},
                    },
                },
                widget("days", "filter-date-range-picker", ["day"], DAYS, 6, 0, 6, 2),
                widget("kinds", "counter", ["count"], {"value": field("count")}, 0, 2, 4, 4),
                widget("line", "line", ["day", "kind", "sum(n)"], CHART, 4, 2, 4, 4),
                widget("bar", "bar", ["day", "kind", "sum(n)"], CHART, 8, 2, 4, 4),
                widget("rows", "table", ["day", "kind", "n"], COLUMNS, 0, 6, 12, 4),
            ],
        }
    ],
}


@pytest.fixture
def drawn(toy: Toy, there: Connection, client: WorkspaceClient) -> Iterator[Toy]:
    """Yield a bundle with a dashboard and an alert, over a table of three rows."""
    client.schemas.create("drawn", "dev")
    spark = connect(there.spark)
    spark.sql("CREATE TABLE dev.drawn.counted (day DATE, kind STRING, n BIGINT)").collect()
    spark.sql(
        "INSERT INTO dev.drawn.counted VALUES (DATE '2026-01-30', 'one', 1), "
        "(DATE '2026-02-02', 'one', 3), (DATE '2026-02-02', 'two', 2)"
    ).collect()
    spark.stop()
    files = {"seen.yml": BUNDLE, "seen.lvdash.json": json.dumps(DASHBOARD)}
    for name, text in files.items():
        (toy.root / "jobs" / name).write_text(text)
    yield toy
    for name in files:
        (toy.root / "jobs" / name).unlink()
    client.schemas.delete("dev.drawn", force=True)


def read_page(out: str) -> str:
    link = re.search(r"file://\S+", out)
    assert link is not None, out
    return Path(unquote(urlparse(link[0]).path)).read_text()


def section(page: str, name: str) -> str:
    found = re.search(rf'<section class="[^"]*" id="{name}".*?</section>', page, re.S)
    assert found is not None
    return found[0]


def test_a_dashboard_is_drawn_with_each_kind_of_widget(drawn: Toy) -> None:
    shown = drawn.call("dashboard")
    assert shown.status == 0, shown.out + shown.err
    page = read_page(shown.out)
    assert "<h2>A &lt;heading&gt;</h2><p>Below it.</p>" in section(page, "text")
    assert "2026-01-30 to 2026-02-02" in section(page, "days")
    assert re.search(r'class="value">2<', section(page, "kinds"))
    for name in ("line", "bar"):
        chart = section(page, name)
        assert f"Title of {name}" in chart
        assert {"one", "two"} <= set(re.findall(r">(\w+)</text>", chart))
    rows = re.findall(r"<td[^>]*>(.*?)</td>", section(page, "rows"))
    assert rows == ["2026-02-02", "two", "2", "2026-02-02", "one", "3", "2026-01-30", "one", "1"]
    assert "Its kind" in section(page, "rows")
    # Nothing is asked of anybody when the page is opened.
    assert not re.search(r'(?:src|href)="(?!#)', page)


def test_a_widget_whose_query_fails_shows_why_and_the_others_are_drawn(drawn: Toy) -> None:
    file = drawn.root / "jobs" / "seen.lvdash.json"
    broken = file.read_text().replace("`kind`)", "`knd`)")
    file.write_text(broken)
    shown = drawn.call("dashboard")
    assert shown.status == 1
    assert "widget kinds: " in shown.err
    page = read_page(shown.out)
    assert 'class="error"' in section(page, "kinds")
    assert "<svg" in section(page, "line")


def test_an_empty_table_draws_no_data_yet(drawn: Toy, there: Connection) -> None:
    spark = connect(there.spark)
    spark.sql("DELETE FROM dev.drawn.counted").collect()
    spark.stop()
    shown = drawn.call("dashboard")
    assert shown.status == 0, shown.out + shown.err
    page = read_page(shown.out)
    assert "No data yet" in section(page, "line")
    assert "No rows yet" in section(page, "rows")
    assert "No dates yet" in section(page, "days")
    assert drawn.call("alerts").out.startswith("OK many: the query has no row")


def test_a_file_that_databricks_would_show_broken_is_refused(drawn: Toy) -> None:
    file = drawn.root / "jobs" / "seen.lvdash.json"
    file.write_text(file.read_text().replace("GRID_V1", "GRID"))
    shown = drawn.call("dashboard")
    assert shown.status == 1
    assert "jobs/seen.lvdash.json:" in shown.err
    assert 'layoutVersion must be "GRID_V1"' in shown.err


def test_a_triggered_alert_says_why_and_who_would_be_told(drawn: Toy) -> None:
    shown = drawn.call("alerts")
    assert shown.status == 1
    assert "TRIGGERED many: n is 3, greater than 2 triggers" in shown.out
    assert "reason: why" in shown.out
    assert "ann@example.com would be notified" in shown.out


def test_an_alert_below_its_threshold_is_ok_and_a_failing_one_an_error(drawn: Toy) -> None:
    file = drawn.root / "jobs" / "seen.yml"
    file.write_text(BUNDLE.replace("double_value: 2", "double_value: 3"))
    shown = drawn.call("alerts")
    assert (shown.status, shown.out.split()[0]) == (0, "OK")
    file.write_text(BUNDLE.replace("drawn.counted", "drawn.missing"))
    shown = drawn.call("alerts")
    assert (shown.status, shown.out.split()[0]) == (1, "ERROR")


def test_a_bundle_without_either_says_where_to_declare_one(toy: Toy, there: Connection) -> None:
    assert there.pid
    for command, key in (("dashboard", "dashboards"), ("alerts", "alerts")):
        shown = toy.call(command)
        assert shown.status == 1
        assert f"Declare one under resources.{key}" in shown.err
