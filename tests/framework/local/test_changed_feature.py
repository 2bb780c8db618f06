"""The definition of a feature table changes while a Champion uses it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from laptop.features.online import OnlineStore

from flight_delays.lakehouse.endpoint import endpoint_name
from flight_delays.problem import PROBLEM

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy
from tests.local.test_running_endpoint import ASK
from tests.problem.instants import FIRST

TABLE = next(table for table in PROBLEM.feature_tables if table.timeseries_column)
NAME = f"{SCHEMA}.{TABLE.name}"
FEATURE, *OTHERS = TABLE.numerical
KEYS = ", ".join(f"q.{key}" for key in TABLE.primary_keys)

CODE = f"""
import json
from dataclasses import replace
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.errors import LakehouseError
from flight_delays.lakehouse.feature_tables import record_definition
from flight_delays.lakehouse.watermarks import PUBLISHED, read_watermarks
from flight_delays.problem import PROBLEM
from flight_delays.spec.tables import WATERMARKS
from flight_delays.tasks import features, publish

lakehouse = Lakehouse()
spark = lakehouse.spark
table = next(each for each in PROBLEM.feature_tables if each.name == {TABLE.name!r})
others = {OTHERS!r}

def wrap(*columns, where="TRUE"):
    listed = ", ".join(["{KEYS}", *columns])
    return f"SELECT {{listed}} FROM ({{table.sql}}) q WHERE {{where}}"

def declare(**changes):
    changed = replace(table, **changes)
    tables = [changed if each is table else each for each in PROBLEM.feature_tables]
    features.PROBLEM = publish.PROBLEM = replace(PROBLEM, feature_tables=tuple(tables))

def refresh(as_of={FIRST!r}):
    told = dict(target={SCHEMA!r}, model={MODEL!r}, as_of=as_of, schedule="0 * * * * ?")
    try:
        features.run(features.FeatureParameters(**told), lakehouse)
    except LakehouseError as error:
        print("REFUSED", error)

def count(condition="TRUE"):
    return spark.table({NAME!r}).where(condition).count()

def say(**found):
    print(json.dumps(found))
"""
ADDED = f"""
twice = "q.{FEATURE} * 2 AS twice"
declare(numerical=(*table.numerical, "twice"), sql=wrap("q.{FEATURE}", *others, twice))
"""


@pytest.fixture
def laptop(trained_state: Path, tmp_path: Path) -> Iterator[Laptop]:
    with open_copy(trained_state, tmp_path) as laptop:
        yield laptop


def execute(laptop: Laptop, code: str) -> tuple[dict[str, Any], str]:
    printed = laptop.execute(CODE + code)
    return json.loads(printed.splitlines()[-1]), printed


def ask(laptop: Laptop) -> list[float]:
    printed = laptop.execute(ASK.format(endpoint=endpoint_name(MODEL), schema=SCHEMA))
    answers: list[float] = json.loads(printed.splitlines()[-1])
    return answers


def test_a_feature_is_added_to_all_rows_and_online_while_the_champion_answers_as_before(
    laptop: Laptop,
) -> None:
    before = ask(laptop)
    found, printed = execute(
        laptop,
        f"""
rows = count()
{ADDED}
refresh()
due = table.name not in read_watermarks(spark, "{SCHEMA}.{{}}".format(WATERMARKS), PUBLISHED)
online = lakehouse.workspace.database.get_synced_database_table({NAME!r} + "_online")
store = online.effective_database_instance_name
publish.run(publish.PublishParameters(target={SCHEMA!r}, online_store=store), lakehouse)
again = count("NOT (twice <=> {FEATURE} * 2)")
say(rows=[rows, count()], filled=count("twice IS NOT NULL"), wrong=again, due=due)
""",
    )
    assert found["rows"][0] == found["rows"][1] > 0
    assert found["filled"] > 0
    assert found["wrong"] == 0
    assert found["due"] is True
    assert f"{TABLE.name}: its definition has changed; recomputed" in printed
    assert "twice" in OnlineStore(laptop.home.path).find(NAME, ["twice"]).types
    assert ask(laptop) == before


@pytest.mark.nightly
def test_what_a_killed_run_left_is_completed_and_then_left_alone(laptop: Laptop) -> None:
    found, printed = execute(
        laptop,
        f"""
{ADDED}
refresh()
spark.sql("UPDATE {NAME} SET twice = CAST(NULL AS DOUBLE)")
record_definition(lakehouse, {NAME!r}, "of a run that was killed")
refresh()
print("COMPLETED")
version = lakehouse.workspace.tables.get({NAME!r}).properties["delta.lastUpdateVersion"]
refresh()
say(wrong=count("NOT (twice <=> {FEATURE} * 2)"))
""",
    )
    assert found["wrong"] == 0
    _, _, after = printed.partition("COMPLETED")
    assert "recomputed" not in after
    assert f"{TABLE.name}: 0 new rows" in after


@pytest.mark.nightly
def test_a_deleted_table_whose_first_run_was_killed_is_computed_from_the_start(
    laptop: Laptop,
) -> None:
    found, _ = execute(
        laptop,
        f"""
rows, merge = count(), features.merge_features

def end(*_):
    raise KeyboardInterrupt

features.merge_features = end
spark.sql("DROP TABLE {NAME}")
try:
    refresh()
except KeyboardInterrupt:
    print("KILLED")
features.merge_features = merge
empty = count()
refresh()
say(rows=[rows, count()], empty=empty)
""",
    )
    assert found["empty"] == 0
    assert found["rows"][0] == found["rows"][1] > 0


@pytest.mark.nightly
def test_rows_of_a_changed_query_have_new_values_and_those_it_no_longer_gives_go(
    laptop: Laptop,
) -> None:
    found, printed = execute(
        laptop,
        f"""
rows, none = count(), "{FEATURE} IS NULL"
low = spark.sql("SELECT percentile({FEATURE}, 0.5) AS m FROM {NAME}").collect()[0].m
kept = count(f"{FEATURE} > {{low}}")
declare(
    sql=wrap("q.{FEATURE} + 1000 AS {FEATURE}", *others, where=f"q.{FEATURE} > {{low}}"),
    lookback=None,
)
refresh()
say(rows=count(), kept=kept, moved=count("{FEATURE} > 500"))
""",
    )
    assert 0 < found["kept"] == found["rows"] == found["moved"]
    assert f"{found['kept']:,} rows have other values" in printed


@pytest.mark.nightly
def test_a_feature_that_the_champion_looks_up_is_computed_until_none_does(laptop: Laptop) -> None:
    found, printed = execute(
        laptop,
        f"""
declare(numerical=tuple(others), sql=wrap(*others))
refresh()
print("RETIRED")
declare(numerical=tuple(others), retired={{"{FEATURE}": "DOUBLE"}})
assert {FEATURE!r} not in features.PROBLEM.feature_columns
refresh()
print("UNUSED")
{ADDED}
refresh()
declare()
late = "{TABLE.timeseries_column} > TIMESTAMP '{FIRST}' - INTERVAL 5 HOURS"
spark.sql(f"DELETE FROM {NAME} WHERE {{late}}")
refresh()
say(rows=count(), new=count("{FEATURE} IS NOT NULL AND twice IS NULL"))
""",
    )
    refused, _, rest = printed.partition("RETIRED")
    assert f"REFUSED {NAME} no longer computes {FEATURE} (version 1, Cha" in refused
    retired, _, unused = rest.partition("UNUSED")
    assert "REFUSED" not in rest
    assert "recomputed" not in retired
    assert unused.count("recomputed") == 2
    assert found["new"] > 0
