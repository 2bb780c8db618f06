import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from laptop.dashboards.definition import DashboardRefused, read_definition
from laptop.dashboards.queries import write_sql

Document = dict[str, Any]


def widget(name: str, kind: str, version: int, encodings: Document, **position: int) -> Document:
    fields = [{"name": "day", "expression": "`day`"}, {"name": "rows", "expression": "COUNT(`n`)"}]
    query = {"datasetName": "ones", "fields": fields, "disaggregated": False}
    return {
        "position": position,
        "widget": {
            "name": name,
            "queries": [{"name": "main_query", "query": query}],
            "spec": {"version": version, "widgetType": kind, "encodings": encodings},
        },
    }


def encode(field: str, scale: str = "quantitative") -> Document:
    return {"fieldName": field, "scale": {"type": scale}}


SOUND: Document = {
    "datasets": [
        {"name": "ones", "displayName": "Ones", "queryLines": ["SELECT day, n\n", "FROM t"]}
    ],
    "pages": [
        {
            "name": "only",
            "displayName": "Only",
            "layoutVersion": "GRID_V1",
            "layout": [
                {
                    "position": {"x": 0, "y": 0, "width": 12, "height": 1},
                    "widget": {"name": "title", "multilineTextboxSpec": {"lines": ["## Ones"]}},
                },
                widget(
                    "line",
                    "line",
                    3,
                    {"x": encode("day", "temporal"), "y": encode("rows")},
                    x=0,
                    y=1,
                    width=8,
                    height=3,
                ),
                widget(
                    "count", "counter", 2, {"value": encode("rows")}, x=8, y=1, width=4, height=3
                ),
            ],
        }
    ],
}


def line_of(document: Document) -> Document:
    found: Document = document["pages"][0]["layout"][1]
    return found


def query_of(document: Document) -> Document:
    found: Document = line_of(document)["widget"]["queries"][0]["query"]
    return found


def test_a_sound_definition_is_read() -> None:
    definition = read_definition(json.dumps(SOUND))
    assert definition.datasets == {"ones": "SELECT day, n\nFROM t"}
    (page,) = definition.pages
    assert [each.kind for each in page.widgets] == ["text", "line", "counter"]


def test_rows_are_grouped_by_what_is_no_aggregate() -> None:
    line = read_definition(json.dumps(SOUND)).pages[0].widgets[1]
    (query,) = line.queries.values()
    assert write_sql("SELECT day, n FROM t;\n", query) == (
        "SELECT `day` AS `day`, COUNT(`n`) AS `rows` FROM (SELECT day, n FROM t) AS dataset "
        "GROUP BY `day`"
    )


def drop_layout(document: Document) -> None:
    del document["pages"][0]["layoutVersion"]


def shorten_row(document: Document) -> None:
    line_of(document)["position"]["width"] = 7


def widen_row(document: Document) -> None:
    line_of(document)["position"]["width"] = 9


def leave_grid(document: Document) -> None:
    document["pages"][0]["layout"][2]["position"]["width"] = 5


def repeat_widget(document: Document) -> None:
    document["pages"][0]["layout"][2]["widget"]["name"] = "line"


def repeat_dataset(document: Document) -> None:
    document["datasets"] *= 2


def rename_badly(document: Document) -> None:
    line_of(document)["widget"]["name"] = "a line"


def set_old_version(document: Document) -> None:
    line_of(document)["widget"]["spec"]["version"] = 1


def set_other_kind(document: Document) -> None:
    line_of(document)["widget"]["spec"]["widgetType"] = "sankey"


def encode_other_field(document: Document) -> None:
    line_of(document)["widget"]["spec"]["encodings"]["y"]["fieldName"] = "count"


def ask_other_dataset(document: Document) -> None:
    query_of(document)["datasetName"] = "twos"


def ask_with_case(document: Document) -> None:
    query_of(document)["fields"][1]["expression"] = "CASE WHEN `n` = 1 THEN 1 END"


def ask_aggregate_of_rows(document: Document) -> None:
    query_of(document)["disaggregated"] = True


def drop_queries(document: Document) -> None:
    del line_of(document)["widget"]["queries"]


def select_by_itself(document: Document) -> None:
    spec = line_of(document)["widget"]["spec"]
    spec |= {"widgetType": "filter-date-range-picker", "version": 2}
    spec |= {"selection": {"defaultSelection": {}}, "encodings": {"fields": [encode("day")]}}


def add_parameters(document: Document) -> None:
    document["datasets"][0]["parameters"] = [{"keyword": "day"}]


def filter_all_pages(document: Document) -> None:
    document["pages"][0]["pageType"] = "PAGE_TYPE_GLOBAL_FILTERS"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (add_parameters, "Parameters, as dataset ones has, are not supported"),
        (filter_all_pages, "pages of PAGE_TYPE_GLOBAL_FILTERS are not supported"),
        (drop_layout, 'layoutVersion must be "GRID_V1"'),
        (shorten_row, "nothing lies at column 7, row 1"),
        (widen_row, "count lies over line"),
        (leave_grid, "count leaves the grid of 12 columns"),
        (repeat_widget, "Two of the kind widget are called line"),
        (repeat_dataset, "Two of the kind dataset are called ones"),
        (rename_badly, "at most 60 letters"),
        (set_old_version, "version of line must be 3, got 1"),
        (set_other_kind, "widgets of type sankey are not drawn"),
        (encode_other_field, "encodings name count, which is not a field"),
        (ask_other_dataset, "there is no dataset twos"),
        (ask_with_case, "is neither a column, an aggregate of one nor DATE_TRUNC"),
        (ask_aggregate_of_rows, "disaggregated must be false"),
        (drop_queries, "must have one query"),
        (select_by_itself, "a default selection of a filter is not supported"),
    ],
)
def test_what_databricks_would_show_broken_is_refused(
    change: Callable[[Document], None], problem: str
) -> None:
    document = copy.deepcopy(SOUND)
    change(document)
    with pytest.raises(DashboardRefused, match=problem):
        read_definition(json.dumps(document))


@pytest.mark.parametrize("text", ["", "[]", '{"datasets": [{}], "pages": []}', '{"pages": []}'])
def test_what_is_no_dashboard_is_refused(text: str) -> None:
    with pytest.raises(DashboardRefused):
        read_definition(text)
