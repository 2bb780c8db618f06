"""What can go wrong on the way to a Champion, and what stands afterwards."""

import json
from collections.abc import Iterator

import pandas as pd
import pytest
from laptop import connection
from laptop.home import Home

from flight_delays.lakehouse.endpoint import name_endpoint
from flight_delays.problem.serving import load_serving

from tests.conftest import MODEL, SCHEMA, Laptop
from tests.oracle import expected_features

pytestmark = pytest.mark.slow

ENDPOINT = name_endpoint(MODEL)

TASK = f"""
import os
import mlflow
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import deploy, validate

MODEL, SCHEMA = {MODEL!r}, {SCHEMA!r}
COMMON = ["--source=" + SCHEMA, "--policy=policy_small"]

def judge(version):
    arguments = [f"--model_uri=models:/{{MODEL}}/{{version}}", *COMMON]
    validate.run(validate.ValidateParameters.parse(arguments), Lakehouse())

def promote(version, lakehouse):
    arguments = [f"--model_uri=models:/{{MODEL}}/{{version}}", "--online_store=online-store"]
    deploy.run(deploy.DeployParameters.parse([*arguments, *COMMON]), lakehouse)
"""

# A registry that dies, as by a power cut, when the alias Champion is about to move.
POWER_CUT = """
class Registry(mlflow.MlflowClient):
    def set_registered_model_alias(self, name, alias, version):
        if alias == "Champion":
            print("cut", flush=True)
            os._exit(0)
        super().set_registered_model_alias(name, alias, version)

lakehouse = Lakehouse()
lakehouse.registry = Registry()
"""

# A candidate that knows nothing: what it learned from had its labels shuffled.
PLANT = """
from functools import partial
from datetime import datetime, UTC
from flight_delays.lakehouse.logging import log_model
from flight_delays.lakehouse.registry import read_version, tag_version
from flight_delays.problem import probability
from flight_delays.problem.features import EXCLUDED, LABEL, feature_lookups
from flight_delays.problem.model import build_model, load_hyperparameters
from flight_delays.problem.policy import load_policy
from flight_delays.problem.spine import select_labelled_flights
from flight_delays.problem.split import split
from flight_delays.tasks.parameters import in_schema

lakehouse = Lakehouse()
as_of = datetime(2013, 2, 1, tzinfo=UTC)
qualify = partial(in_schema, SCHEMA)
window = split(as_of, load_policy("policy_small").windows).training
flights = select_labelled_flights(lakehouse.spark, qualify, window, as_of)
training_set = lakehouse.feature_store.create_training_set(
    df=flights, feature_lookups=feature_lookups(qualify), label=LABEL,
    exclude_columns=list(EXCLUDED),
)
rows = training_set.load_df().toPandas()
labels = rows[LABEL].sample(frac=1, random_state=1).to_numpy()
model = build_model(load_hyperparameters()).fit(rows.drop(columns=LABEL), labels)
mlflow.set_experiment("planted")
with mlflow.start_run():
    uri = log_model(lakehouse.feature_store, model, training_set, by_value=[probability])
number = int(mlflow.register_model(uri, MODEL).version)
tag_version(
    lakehouse.registry, read_version(lakehouse.registry, MODEL, number),
    as_of=as_of.isoformat(), git_commit="none", job_run_id="none",
)
lakehouse.registry.update_model_version(MODEL, str(number), "Learned from shuffled labels. " * 3)
try:
    judge(number)
except validate.ValidationFailedError as error:
    print(error)
try:
    promote(number, lakehouse)
except deploy.PromotionRefusedError as error:
    print(error)
"""

LOOK_UP = """
import sys
import pandas as pd
from functools import partial
from flight_delays.problem.features import LABEL, feature_lookups
from flight_delays.problem.spine import SPINE
from flight_delays.tasks.parameters import in_schema

lakehouse = Lakehouse()
rows = lakehouse.spark.sql(
    f"SELECT {', '.join(SPINE)} FROM {SCHEMA}.flights WHERE flight % 100 = 7 "
    "AND decision_at >= TIMESTAMP '2013-01-03 00:00:00'"
).limit(250)
training_set = lakehouse.feature_store.create_training_set(
    df=rows, feature_lookups=feature_lookups(partial(in_schema, SCHEMA)), label=None,
)
training_set.load_df().toPandas().to_parquet(FILE)
"""


@pytest.fixture(scope="module")
def challenged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """A workspace with a validated Challenger and no Champion."""
    home = Home(tmp_path_factory.mktemp("challenged"))
    laptop = Laptop(home)
    laptop.succeed("feature_refresh", "2013-02-01")
    done = laptop.run("model_training", "2013-02-01", "--only", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    laptop.execute(TASK + "judge(1)")
    yield laptop
    connection.stop(home)


@pytest.fixture
def promoted(challenged: Laptop) -> Laptop:
    """The same workspace, its first version Champion."""
    if not any("Champion" in each for each in aliases(challenged).values()):
        challenged.execute(TASK + "promote(1, Lakehouse())")
    return challenged


def aliases(laptop: Laptop) -> dict[int, list[str]]:
    (model,) = (model for model in laptop.status()["models"] if model["name"] == MODEL)
    return {version["version"]: sorted(version["aliases"]) for version in model["versions"]}


def served(laptop: Laptop) -> list[str]:
    return [
        entity["entity_version"]
        for endpoint in laptop.status()["endpoints"]
        if endpoint["name"] == ENDPOINT
        for entity in endpoint["served"]
    ]


def expect_served(version: int) -> list[str]:
    """Return what the endpoint should serve, where there is one."""
    return [str(version)] if load_serving().endpoint else []


def fingerprint(laptop: Laptop) -> dict[str, str]:
    """Return for each table its rows and the sum of their hashes."""
    names = [table["name"] for table in laptop.status()["tables"]]
    found = {}
    for name in names:
        columns = [row["col_name"] for row in laptop.sql(f"DESCRIBE TABLE {name}")]
        texts = ", ".join(f"coalesce(cast({column} AS STRING), '-')" for column in columns)
        (row,) = laptop.sql(
            f"SELECT count(*) AS rows, sum(cast(crc32(concat_ws('|', {texts})) AS BIGINT)) AS sum "
            f"FROM {name}"
        )
        found[name] = f"{row['rows']} {row['sum']}"
    return found


def test_batch_inference_without_a_champion_says_so_and_does_nothing(challenged: Laptop) -> None:
    printed = challenged.succeed("batch_inference", "2013-02-01")
    assert "no Champion yet" in printed
    assert not [t for t in challenged.status()["tables"] if t["name"].endswith(".predictions")]


def test_deploy_killed_before_the_alias_moves_is_completed_by_the_next(
    challenged: Laptop,
) -> None:
    printed = challenged.execute(TASK + POWER_CUT + "promote(1, lakehouse)")
    assert printed.endswith("cut\n")
    assert (aliases(challenged), served(challenged)) == ({1: ["Challenger"]}, expect_served(1))
    challenged.execute(TASK + "promote(1, Lakehouse())")
    assert aliases(challenged) == {1: ["Challenger", "Champion"]}
    assert served(challenged) == expect_served(1)


def test_refresh_repeated_or_for_an_earlier_as_of_changes_nothing(promoted: Laptop) -> None:
    before = fingerprint(promoted)
    promoted.succeed("feature_refresh", "2013-02-01")
    promoted.succeed("feature_refresh", "2013-01-20")
    assert fingerprint(promoted) == before
    assert len(before) == 10


def test_training_set_agrees_with_what_was_known_at_each_decision(
    promoted: Laptop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = str(tmp_path_factory.mktemp("rows") / "rows.parquet")
    promoted.execute(f"FILE = {file!r}\n{TASK}{LOOK_UP}")
    rows = pd.read_parquet(file)
    assert len(rows) >= 200
    rows["time_hour"] = pd.to_datetime(rows["time_hour"], utc=True)
    expected = expected_features(rows[["time_hour", "carrier", "flight", "origin"]])
    assert set(expected) <= set(rows)
    for column in expected:
        got, wanted = rows[column], expected[column]
        assert (got.isna() == wanted.isna()).all(), column
        present = wanted.notna()
        if got.dtype == object:
            assert (got[present] == wanted[present]).all(), column
        else:
            assert got[present].to_numpy() == pytest.approx(
                wanted[present].astype(float).to_numpy(), abs=1e-9
            ), column


def test_same_data_trains_the_same_model(promoted: Laptop) -> None:
    done = promoted.run("model_training", "2013-02-01", "--only", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    code = """
registry = Lakehouse().registry
numbers = sorted(int(v.version) for v in registry.search_model_versions(f"name = '{MODEL}'"))
for number in (1, numbers[-1]):
    run = registry.get_run(registry.get_model_version(MODEL, str(number)).run_id)
    print(sorted(run.data.metrics.items()))
"""
    first, second = promoted.execute(TASK + code).splitlines()[-2:]
    assert "holdout_auc" in first
    assert first == second


def test_model_of_shuffled_labels_fails_and_is_not_promoted(promoted: Laptop) -> None:
    stood = served(promoted)
    printed = promoted.execute(TASK + PLANT)
    assert "failed validation" in printed
    assert "auc" in printed
    assert "may not be promoted" in printed
    newest = max(aliases(promoted))
    assert aliases(promoted)[newest] == []
    assert served(promoted) == stood


def test_challenger_trained_before_the_champion_is_rejected(promoted: Laptop) -> None:
    stood = served(promoted)
    done = promoted.run("model_training", "2013-01-30")
    assert done.returncode == 1
    assert "later instant" in done.stdout
    newest = max(aliases(promoted))
    assert "Champion" not in aliases(promoted)[newest]
    assert served(promoted) == stood


def test_next_challenger_meets_the_champion_on_the_same_flights(promoted: Laptop) -> None:
    promoted.succeed("feature_refresh", "2013-02-15")
    printed = promoted.succeed("model_training", "2013-02-15")
    newest = max(aliases(promoted))
    (model,) = (model for model in promoted.status()["models"] if model["name"] == MODEL)
    tags = next(v["tags"] for v in model["versions"] if v["version"] == newest)
    assert tags["decision"] in ("promote", "keep"), json.dumps(tags)
    assert "Champion version 1" in tags["decision_reason"]
    champion = newest if tags["decision"] == "promote" else 1
    assert "Champion" in aliases(promoted)[champion]
    assert served(promoted) == expect_served(champion)
    assert f"decision = {tags['decision']}" in printed
