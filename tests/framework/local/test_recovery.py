"""Failures on the way to a Champion, and the state afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_delays.config.serving import load_serving
from flight_delays.lakehouse.endpoint import endpoint_name
from flight_delays.lakehouse.results import VALIDATIONS
from flight_delays.problem import PROBLEM
from flight_delays.spec.inference_log import VALIDATED
from flight_delays.spec.tables import QUARANTINE, WATERMARKS

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy
from tests.problem.instants import EARLIER, FIRST, LATER

ENDPOINT = endpoint_name(MODEL)

TASK = f"""
import os
import mlflow
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import deploy, validate

MODEL, SCHEMA, FIRST = {MODEL!r}, {SCHEMA!r}, {FIRST!r}
COMMON = ["--source=" + SCHEMA, "--policy=policy_small"]

def check(version):
    lakehouse = Lakehouse()
    run = lakehouse.registry.get_model_version(MODEL, str(version)).run_id
    experiment = mlflow.get_experiment(mlflow.get_run(run).info.experiment_id).name
    arguments = [
        f"--model_uri=models:/{{MODEL}}/{{version}}", "--target=" + SCHEMA, "--job_run=1",
        "--experiment=" + experiment,
    ]
    validate.run(validate.ValidateParameters.parse([*arguments, *COMMON]), lakehouse)

def promote(version, lakehouse):
    arguments = [f"--model_uri=models:/{{MODEL}}/{{version}}", "--online_store=online-store"]
    deploy.run(deploy.DeployParameters.parse([*arguments, *COMMON]), lakehouse)
"""

# A registry that is killed before the alias Champion moves.
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

# A useless candidate, trained on shuffled labels.
PLANT = """
from functools import partial
from flight_delays.lakehouse.model_logging import log_model
from flight_delays.lakehouse.registry import read_version, tag_version
from flight_delays.config.loading import load_configuration
from flight_delays.config.policy import load_policy
from flight_delays.spec.selection import select_labelled_rows
from flight_delays.spec.windows import split_windows
from flight_delays.problem import PROBLEM
from flight_delays.tasks.parameters import in_schema, read_instant

lakehouse = Lakehouse()
as_of = read_instant(FIRST)
qualify = partial(in_schema, SCHEMA)
windows = load_policy("policy_small", PROBLEM.model_type).windows
window = split_windows(as_of, windows, PROBLEM.label_maturity).training
labelled = select_labelled_rows(lakehouse.spark, PROBLEM, qualify, window, as_of)
label = PROBLEM.label.column
training_set = lakehouse.feature_store.create_training_set(
    df=labelled, feature_lookups=PROBLEM.look_ups(qualify), label=label,
    exclude_columns=list(PROBLEM.metadata_columns),
)
rows = training_set.load_df().toPandas()
labels = rows[label].sample(frac=1, random_state=1).to_numpy()
model = PROBLEM.build_estimator(load_configuration("model", PROBLEM.hyperparameters))
model.fit(rows.drop(columns=label), labels)
mlflow.set_experiment("/Shared/planted")
with mlflow.start_run():
    uri = log_model(
        lakehouse.feature_store, model, training_set,
        PROBLEM.modules_by_value, PROBLEM.requirements,
    )
number = int(mlflow.register_model(uri, MODEL).version)
tag_version(
    lakehouse.registry, read_version(lakehouse.registry, MODEL, number),
    as_of=as_of.isoformat(), git_commit="none", job_run_id="none",
)
lakehouse.registry.update_model_version(MODEL, str(number), "Learned from shuffled labels. " * 3)
try:
    check(number)
except validate.ValidationFailedError as error:
    print(error)
try:
    promote(number, lakehouse)
except deploy.PromotionRefusedError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def challenged(tmp_path_factory: pytest.TempPathFactory, refreshed_state: Path) -> Iterator[Laptop]:
    """Yield a workspace with a validated Challenger and no Champion."""
    with open_copy(refreshed_state, tmp_path_factory.mktemp("challenged")) as laptop:
        done = laptop.run("model_training", FIRST, "--only", "train")
        assert done.returncode == 0, done.stdout + done.stderr
        laptop.execute(TASK + "check(1)")
        yield laptop


@pytest.fixture
def promoted(challenged: Laptop) -> Laptop:
    """Return the workspace with the first version as Champion."""
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
    """Return the versions that the endpoint should serve, if there is one."""
    return [str(version)] if load_serving().endpoint else []


def fingerprint(laptop: Laptop) -> dict[str, str]:
    """Return the row count and the sum of row hashes of each table."""
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
    printed = challenged.succeed("batch_inference", FIRST)
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
    promoted.succeed("feature_refresh", FIRST)
    promoted.succeed("feature_refresh", EARLIER)
    assert fingerprint(promoted) == before
    kept = {source.name for source in PROBLEM.sources}
    kept |= {table.name for table in PROBLEM.feature_tables}
    found = {name.rpartition(".")[2] for name in before} - {"endpoint_payload"}
    assert found == kept | {QUARANTINE, VALIDATIONS, VALIDATED, WATERMARKS}


@pytest.mark.nightly
def test_same_data_trains_the_same_model(promoted: Laptop) -> None:
    done = promoted.run("model_training", FIRST, "--only", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    code = """
registry = Lakehouse().registry
numbers = sorted(int(v.version) for v in registry.search_model_versions(f"name = '{MODEL}'"))
for number in (1, numbers[-1]):
    run = registry.get_run(registry.get_model_version(MODEL, str(number)).run_id)
    print(sorted(run.data.metrics.items()))
"""
    first, second = promoted.execute(TASK + code).splitlines()[-2:]
    assert all(f"holdout_{name}" in first for name in PROBLEM.model_type.metrics)
    assert first == second


@pytest.mark.nightly
def test_model_of_shuffled_labels_fails_and_is_not_promoted(promoted: Laptop) -> None:
    stood = served(promoted)
    printed = promoted.execute(TASK + PLANT)
    assert "failed validation" in printed
    assert "may not be promoted" in printed
    newest = max(aliases(promoted))
    assert aliases(promoted)[newest] == []
    assert served(promoted) == stood


@pytest.mark.nightly
def test_challenger_trained_before_the_champion_is_rejected(promoted: Laptop) -> None:
    stood = served(promoted)
    done = promoted.run("model_training", EARLIER)
    assert done.returncode == 1
    assert "later instant" in done.stdout
    newest = max(aliases(promoted))
    assert "Champion" not in aliases(promoted)[newest]
    assert served(promoted) == stood


def test_next_challenger_meets_the_champion_on_the_same_rows(promoted: Laptop) -> None:
    promoted.succeed("feature_refresh", LATER)
    printed = promoted.succeed("model_training", LATER)
    newest = max(aliases(promoted))
    (model,) = (model for model in promoted.status()["models"] if model["name"] == MODEL)
    tags = next(v["tags"] for v in model["versions"] if v["version"] == newest)
    assert tags["decision"] in ("promote", "keep"), json.dumps(tags)
    assert "Champion version 1" in tags["decision_reason"]
    champion = newest if tags["decision"] == "promote" else 1
    assert "Champion" in aliases(promoted)[champion]
    assert served(promoted) == expect_served(champion)
    assert f"decision = {tags['decision']}" in printed
