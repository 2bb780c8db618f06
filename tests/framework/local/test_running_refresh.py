"""Sources and features refreshed by the tasks in steps, and from the start."""

import json

import pytest

from flight_delays.problem import PROBLEM
from flight_delays.spec.tables import WATERMARKS

from tests.conftest import MODEL, Laptop
from tests.declared import catalog_of
from tests.problem.instants import EARLIER, FIRST

STEPPED, WHOLE = (f"{catalog_of('dev')}.{name}" for name in ("stepped", "whole"))
TABLE = PROBLEM.feature_tables[0]
STEPS = (EARLIER, f"{EARLIER}T17:23:00", f"{EARLIER}T20:00:00", FIRST)

CODE = f"""
import json
from databricks.sdk import WorkspaceClient
from flight_delays.errors import DeclarationError
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.errors import SchemaChangedError
from flight_delays.lakehouse.watermarks import COMPUTED, read_watermarks
from flight_delays.problem import PROBLEM
from flight_delays.tasks import features, ingest

lakehouse = Lakehouse()
spark, table = lakehouse.spark, PROBLEM.feature_tables[0]
name = "{STEPPED}." + table.name

def refresh(schema, as_of, schedule="0 * * * * ?"):
    ingest.run(ingest.IngestParameters(target=schema, as_of=as_of, shift_days=0), lakehouse)
    compute(schema, as_of, schedule)

def compute(schema, as_of, schedule="0 * * * * ?"):
    parameters = features.FeatureParameters(
        target=schema, model="{MODEL}", as_of=as_of, schedule=schedule
    )
    features.run(parameters, lakehouse)

def make(keys, time, columns):
    spark.sql(f"DROP TABLE {{name}}")
    schema = spark.table("{WHOLE}." + table.name).select(*columns).schema
    lakehouse.feature_store.create_table(
        name=name, primary_keys=keys, timeseries_column=time, schema=schema
    )
    try:
        compute("{STEPPED}", {FIRST!r})
    except SchemaChangedError as error:
        print("REFUSED", error)
"""
REFRESH = f"""
for schema in ({STEPPED!r}, {WHOLE!r}):
    catalog, _, schema = schema.partition(".")
    WorkspaceClient().schemas.create(schema, catalog)
for as_of in {STEPS!r}:
    refresh("{STEPPED}", as_of)
refresh("{WHOLE}", {FIRST!r})
refresh("{WHOLE}", {EARLIER!r})
compared = {{}}
columns = {{source.name: list(source.columns) for source in PROBLEM.sources}}
columns |= {{each.name: [*each.primary_keys, *each.features] for each in PROBLEM.feature_tables}}
for each, names in columns.items():
    stepped, whole = (
        spark.table(f"{{schema}}.{{each}}").select(*names) for schema in ({STEPPED!r}, {WHOLE!r})
    )
    compared[each] = [
        whole.count(), stepped.exceptAll(whole).count(), whole.exceptAll(stepped).count()
    ]
marks = read_watermarks(spark, "{WHOLE}.{WATERMARKS}", COMPUTED)
print(json.dumps([compared, {{each: at.isoformat() for each, at in marks.items()}}]))
"""


@pytest.fixture(scope="module")
def refreshed(laptop: Laptop) -> Laptop:
    assert laptop.call("up").returncode == 0
    return laptop


@pytest.mark.nightly
def test_tables_refreshed_in_steps_are_those_refreshed_at_once(refreshed: Laptop) -> None:
    compared, marks = json.loads(refreshed.execute(CODE + REFRESH).splitlines()[-1])
    assert len(compared) == len(PROBLEM.sources) + len(PROBLEM.feature_tables)
    assert [each for each, (rows, *others) in compared.items() if not rows or any(others)] == []
    # A later run as of an earlier time changed nothing.
    assert set(marks.values()) == {f"{FIRST}T00:00:00+00:00"}


@pytest.mark.nightly
def test_a_feature_table_of_another_shape_is_refused(refreshed: Laptop) -> None:
    keys, features = list(TABLE.primary_keys), list(TABLE.features)
    printed = refreshed.execute(
        f"{CODE}\n"
        f"make({list(TABLE.lookup_key)!r}, None, {[*TABLE.lookup_key, *features]!r})\n"
        f"make({list(TABLE.lookup_key)!r}, None, {[*keys, *features]!r})\n"
    )
    refusals = [line for line in printed.splitlines() if line.startswith("REFUSED")]
    assert len(refusals) == 2
    table = f"REFUSED Table {STEPPED}.{TABLE.name}"
    assert refusals[0].startswith(f"{table} needs {TABLE.timeseries_column} timestamp; it has ")
    key, found = ", ".join(keys), ", ".join(TABLE.lookup_key)
    assert refusals[1].startswith(f"{table} needs the key {key}; it has {found}. Delete the table")
    assert all("docs/features.md has the commands" in each for each in refusals)


def test_a_schedule_that_is_too_seldom_is_refused_before_anything_is_computed(
    refreshed: Laptop,
) -> None:
    printed = refreshed.execute(
        f"{CODE}\n"
        "try:\n"
        f"    compute('nowhere.at_all', {FIRST!r}, '0 0 5 1 * ?')\n"
        "except DeclarationError as error:\n"
        "    print('REFUSED', error)\n"
    )
    assert "REFUSED The schedule of feature_refresh: got '0 0 5 1 * ?'" in printed
