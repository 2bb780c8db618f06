"""Features computed at the request, as declared in docs/features.md, up to the endpoint."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flight_delays.lakehouse.endpoint import endpoint_name
from flight_delays.spec.request_features import MADE_HERE

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy
from tests.declared import ROOT
from tests.problem.instants import FIRST

PAGE = (ROOT / "docs" / "features.md").read_text()
FILE, CODE = re.findall(r"\*\*`([^`]+)`\*\*\n\n```python\n(.*?)```", PAGE, re.DOTALL)[0]
COMPUTED = ["local_hour", "aircraft_age", "aged"]

# The page's changes to the problem, applied to this repository's.
DECLARED = """
import importlib.util
import json
import sys
from dataclasses import replace
from functools import partial
import numpy as np
import pandas as pd
from flight_delays.config.policy import BEGINNING
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.served_version import as_records
from flight_delays.lakehouse.watermarks import PUBLISHED, read_watermarks
from flight_delays.problem import PROBLEM
from flight_delays.spec.problem import FEATURES_AT
from flight_delays.spec.selection import select_rows
from flight_delays.spec.tables import WATERMARKS
from flight_delays.spec.windows import Interval
from flight_delays.tasks.parameters import in_schema
from pyspark.sql import functions as F

spec = importlib.util.spec_from_file_location("flight_delays.problem.computed", {file!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
PROBLEM = replace(PROBLEM, request_features=module.REQUEST_FEATURES)
names = {{each.output: each.catalog_name for each in PROBLEM.request_features}}
lakehouse, qualify = Lakehouse(), partial(in_schema, {schema!r})
"""
LIST = """
found = lakehouse.workspace.functions.list(*{schema!r}.split("."))
print(json.dumps({{"names": names, "found": {{each.name: each.function_id for each in found}}}}))
"""
# 1,000 requests with keys only; the response's trace contains the model's input.
COMPARE = """
published = max(read_watermarks(lakehouse.spark, qualify(WATERMARKS), PUBLISHED).values())
rows = select_rows(lakehouse.spark, PROBLEM, qualify, Interval(BEGINNING, published)).toPandas()
rows = rows.sort_values(list(PROBLEM.keys)).sample(1000, random_state=0, ignore_index=True)
# Some ask for what no table has.
rows.loc[::20, "origin"] = "XXX"
rows[FEATURES_AT] = published
asked = lakehouse.spark.createDataFrame(rows[list(PROBLEM.columns)])
trained = lakehouse.feature_store.create_training_set(
    df=asked, feature_lookups=PROBLEM.look_ups(qualify), label=None, exclude_columns=[]
).load_df().toPandas()
batch = lakehouse.feature_store.score_batch(model_uri={uri!r}, df=asked).toPandas()
answer = lakehouse.workspace.api_client.do(
    "POST", "/serving-endpoints/{endpoint}/invocations",
    body={{"dataframe_records": as_records(rows[list(PROBLEM.columns)]),
          "databricks_options": {{"return_trace": True}}}},
)
spans = answer["databricks_output"]["trace"]["data"]["spans"]
(inputs,) = [s["attributes"]["mlflow.spanInputs"] for s in spans if s["name"] == "custom_model"]
used = pd.DataFrame(json.loads(inputs)["model_input"])
keys, differ = list(PROBLEM.keys), {{}}
served = pd.concat([rows[keys], used.drop(columns=keys, errors="ignore")], axis=1)
served["prediction"] = answer["predictions"]

def apart(one, other):
    if pd.isna(one) or pd.isna(other):
        return not (pd.isna(one) and pd.isna(other))
    if isinstance(one, str):
        return one != other
    return not abs(one - other) <= 1e-12

for name, frame, columns in (
    ("training", trained, PROBLEM.feature_columns),
    ("batch", batch, (*PROBLEM.feature_columns, "prediction")),
):
    both = served.merge(frame, on=keys, validate="1:1", suffixes=("", "_other"))
    assert len(both) == len(rows) == 1000
    for column in columns:
        pairs = zip(both[column], both[column if column in keys else f"{{column}}_other"])
        if any(apart(*pair) for pair in pairs):
            differ.setdefault(name, []).append(column)
missing = {{column: int(used[column].isna().sum()) for column in {computed!r}}}
print(json.dumps({{"differ": differ, "missing": missing,
                  "values": {{c: int(used[c].nunique()) for c in {computed!r}}}}}))
"""
# A function that returns NaN, which batch passes on as None, and one that distinguishes the two.
PLANTED = {
    "aircraft_age": (
        "`decision_at` TIMESTAMP, `year_built` DOUBLE",
        "return decision_at.year - year_built if year_built else float('nan')",
    ),
    "aged": ("`age` DOUBLE", "return 1.0 if age is None else 0.0"),
}
RELOAD = """
from databricks.sdk.service.serving import ServedEntityInput
endpoints = lakehouse.workspace.serving_endpoints
(entity,) = endpoints.get({endpoint!r}).config.served_entities
kept = ("name", "entity_name", "entity_version", "workload_size", "scale_to_zero_enabled",
        "environment_vars")
served = ServedEntityInput(**{{name: getattr(entity, name) for name in kept}})
endpoints.update_config_and_wait({endpoint!r}, served_entities=[served])
"""


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory, refreshed_state: Path) -> Iterator[Laptop]:
    """Yield a workspace of a project with the page's changes to the problem."""
    with open_copy(refreshed_state, tmp_path_factory.mktemp("computed")) as laptop:
        (laptop.project / FILE).write_text(CODE)
        declared = laptop.project / "src/flight_delays/problem/__init__.py"
        text = declared.read_text()
        before = "    feature_tables=FEATURE_TABLES,\n"
        assert text.count(before) == 1
        text = text.replace(before, f"{before}    request_features=REQUEST_FEATURES,\n")
        imported = "from .features import"
        text = text.replace(imported, f"from .computed import REQUEST_FEATURES\n{imported}", 1)
        declared.write_text(text)
        yield laptop


def execute(laptop: Laptop, code: str) -> dict[str, Any]:
    values = {
        "file": str(laptop.project / FILE),
        "schema": SCHEMA,
        "uri": f"models:/{MODEL}@Champion",
        "endpoint": endpoint_name(MODEL),
        "computed": COMPUTED,
    }
    found: dict[str, Any] = json.loads(
        laptop.execute((DECLARED + code).format(**values)).splitlines()[-1]
    )
    return found


def test_a_refresh_makes_each_function_once(laptop: Laptop) -> None:
    untrained = laptop.run("model_training", FIRST)
    assert untrained.returncode != 0
    assert "Run the job feature_refresh first" in untrained.stdout + untrained.stderr

    laptop.succeed("feature_refresh", FIRST)
    made = execute(laptop, LIST)
    assert sorted(made["found"]) == sorted(made["names"].values())
    assert list(made["names"]) == COMPUTED

    laptop.succeed("feature_refresh", FIRST)
    assert execute(laptop, LIST) == made


def test_what_the_endpoint_uses_is_what_training_and_batch_use(laptop: Laptop) -> None:
    laptop.succeed("model_training", FIRST)

    found = execute(laptop, COMPARE)
    assert found["differ"] == {}
    assert found["missing"]["aircraft_age"] > 50
    assert min(found["values"].values()) >= 2

    names = execute(laptop, LIST)["names"]
    for name, (parameters, body) in PLANTED.items():
        laptop.sql(
            f"CREATE OR REPLACE FUNCTION {SCHEMA}.{names[name]}({parameters}) RETURNS DOUBLE "
            f"LANGUAGE PYTHON COMMENT '{MADE_HERE}' AS $${body}$$"
        )
    # The endpoint uses the old functions until it is updated.
    assert "aged" in execute(laptop, COMPARE)["differ"]["training"]
    execute(laptop, RELOAD + "print('{{}}')")
    assert execute(laptop, COMPARE)["differ"]["training"] == ["aged"]


def test_a_teardown_leaves_no_function(laptop: Laptop) -> None:
    laptop.sql(f"CREATE FUNCTION {SCHEMA}.mine() RETURNS INT LANGUAGE PYTHON AS $$return 1$$")
    done = laptop.call("run", "teardown")
    assert done.returncode == 0, done.stdout + done.stderr

    assert [*execute(laptop, LIST)["found"]] == ["mine"]
