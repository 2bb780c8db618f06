"""A dev deployment reads production's tables and writes only to its own schema."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from laptop.state_dir import StateDir

from flight_delays.config.serving import load_serving
from flight_delays.lakehouse.endpoint import endpoint_name
from flight_delays.problem import PROBLEM
from flight_delays.promotion.decide import CHALLENGER

from tests import declared
from tests.conftest import MODEL, Laptop
from tests.declared import catalog_of
from tests.problem.instants import FIRST, LATER

pytestmark = pytest.mark.nightly

THERE = f"{catalog_of('prod')}.{declared.SCHEMA}"
CHAMPION_OF = f"{THERE}.model"
CATALOG, SCHEMA_THERE = THERE.split(".")
SOURCE = f"source_catalog={CATALOG},source_schema={SCHEMA_THERE}"
FIRST_SMALL, LATER_SMALL = (f"as_of={as_of},policy=policy_small" for as_of in (FIRST, LATER))

LOOK = """
import json, sqlite3
from databricks.sdk import WorkspaceClient
import mlflow

client = mlflow.MlflowClient()
workspace = WorkspaceClient()
model = client.get_registered_model({model!r})
versions = client.search_model_versions("name = '{model}'")
tables = list(workspace.tables.list(*{schema!r}.split(".")))
runs = [
    run.to_dictionary()
    for experiment in client.search_experiments(filter_string="name LIKE '%\\\\_prod'")
    for run in client.search_runs([experiment.experiment_id])
]
print(json.dumps([
    [model.aliases, model.tags, model.description, model.last_updated_timestamp],
    sorted([v.version, v.current_stage, v.tags, v.description, v.last_updated_timestamp]
           for v in versions),
    sorted([t.name, t.table_id, t.updated_at, t.storage_location, t.properties] for t in tables),
    [e.as_dict() for e in workspace.serving_endpoints.list() if e.name == {endpoint!r}],
    runs,
]))
"""


def look(production: Laptop) -> tuple[Any, list[tuple[str, int, int]]]:
    """Return the state of production: the platform's objects, and the tables' files."""
    code = LOOK.format(model=CHAMPION_OF, schema=THERE, endpoint=endpoint_name(CHAMPION_OF))
    said = json.loads(production.execute(code).splitlines()[-1])
    folders = [Path(location.removeprefix("file://")) for _, _, _, location, _ in said[2]]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert len(files) > len(folders) > len(PROBLEM.feature_tables)
    return said, sorted((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files)


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """Yield a workspace with a Champion in prod, deployed from a commit of the working tree."""
    laptop = Laptop(StateDir(tmp_path_factory.mktemp("production") / "workspace"))
    try:
        laptop.bring()
        for job, parameters in (
            ("feature_refresh", f"as_of={LATER},shift_days=0"),
            ("model_training", FIRST_SMALL),
        ):
            done = laptop.call("run", job, "-t", "prod", "--params", parameters)
            assert done.returncode == 0, done.stdout + done.stderr
        yield laptop
    finally:
        laptop.close()


@pytest.fixture(scope="module")
def before(production: Laptop) -> tuple[Any, list[tuple[str, int, int]]]:
    """Return the state of production before any action of dev, once what runs behind has ended."""
    found = look(production)
    for _ in range(12):
        time.sleep(5)
        former, found = found, look(production)
        if former == found:
            return found
    raise AssertionError("production is still being written to")


def run(laptop: Laptop, job: str, parameters: str, *flags: str) -> str:
    """Run a job of dev on production's tables; it must succeed."""
    done = laptop.call("run", job, "--var", SOURCE, "--params", parameters, *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def developed(production: Laptop, before: object) -> Laptop:  # noqa: ARG001
    """Return the workspace after dev has promoted a model and trained a Challenger."""
    run(production, "model_training", FIRST_SMALL)
    run(production, "model_training", LATER_SMALL, "--only", "train,validate")
    return production


@pytest.fixture(scope="module")
def compared(developed: Laptop) -> str:
    """Return the output of the comparison with production's Champion."""
    return run(developed, "model_comparison", "policy=policy_small")


def list_own(laptop: Laptop) -> list[str]:
    """Return the tables outside production."""
    names = [table["name"] for table in laptop.status()["tables"]]
    return [name for name in names if not name.startswith(f"{THERE}.")]


def test_a_model_of_dev_learns_from_production_and_is_dev_s_own(developed: Laptop) -> None:
    models = {model["name"]: model["versions"] for model in developed.status()["models"]}
    assert set(models) == {CHAMPION_OF, MODEL}
    assert [version["aliases"] for version in models[MODEL]] == [["Challenger"], ["Champion"]]
    (theirs,) = models[CHAMPION_OF]
    assert sorted(theirs["aliases"]) == ["Challenger", "Champion"]
    own = {name.rpartition(".")[2] for name in list_own(developed)}
    assert own - {"endpoint_payload"} == {"validation_results", "validation_rows"}
    endpoints = {endpoint["name"] for endpoint in developed.status()["endpoints"]}
    asked = load_serving().endpoint
    assert endpoints == ({endpoint_name(MODEL), endpoint_name(CHAMPION_OF)} if asked else set())


def test_the_comparison_shows_both_on_the_held_out_rows_and_what_the_gate_would_decide(
    compared: str,
) -> None:
    assert f"version 2 of {MODEL}, trained as of {LATER} 00:00 UTC" in compared
    assert f"version 1 of {CHAMPION_OF}, trained as of {FIRST} 00:00 UTC" in compared
    for metric in PROBLEM.model_type.metrics:
        assert f"│ {metric}" in compared
    assert f"As version 2 of {CHAMPION_OF} the gate would " in compared
    assert f"rows of {THERE} decided from " in compared


PAGE = """
import json
import mlflow
(run,) = mlflow.search_runs(
    experiment_names=[e.name for e in mlflow.search_experiments()],
    filter_string="tags.champion_uri != ''", output_format="list",
)
page = mlflow.artifacts.load_text(f"runs:/{{run.info.run_id}}/comparison.html")
experiment = mlflow.get_experiment(run.info.experiment_id).name
client = mlflow.MlflowClient()
learned = client.get_run(client.get_model_version({model!r}, "2").run_id).inputs.dataset_inputs
tables = sorted(each.dataset.name for each in learned)
print(json.dumps([experiment, run.data.tags, run.data.metrics, page, tables]))
"""


def test_the_page_is_an_artifact_of_dev_s_experiment(developed: Laptop, compared: str) -> None:
    printed = developed.execute(PAGE.format(model=MODEL))
    experiment, tags, metrics, page, learned = json.loads(printed.splitlines()[-1])
    assert learned == sorted(f"{THERE}.{table.name}" for table in PROBLEM.feature_tables)
    assert experiment.endswith("_dev")
    assert tags["model_uri"] == f"models:/{MODEL}/2"
    assert tags["champion_uri"] == f"models:/{CHAMPION_OF}/1"
    assert tags["decision"] in {"keep", "promote"}
    assert tags["decision_reason"] in compared.replace("\n", " ")
    loss = next(name for name in metrics if name.endswith("_low")).removesuffix("_low")
    assert metrics[f"{loss}_low"] <= metrics[loss] <= metrics[f"{loss}_high"]
    assert "<h2>Slices</h2>" in page


REFUSALS = """
import json
import mlflow
from mlflow.models import infer_signature
import pandas as pd
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import train
from flight_delays.tasks.compare import CompareParameters, run

GIVEN = {{
    "model": {model!r}, "model_uri": "", "champion_of": {champion_of!r}, "source": {source!r},
    "experiment": "refused", "policy": "policy_small", "job_run": "7",
}}
client = mlflow.MlflowClient()


def plant(name, column, **tags):
    client.create_registered_model(name)
    rows = pd.DataFrame({{column: [1.0]}})
    logged = mlflow.pyfunc.log_model(
        name="planted", python_model=lambda model_input: [0.5] * len(model_input),
        signature=infer_signature(rows, [0.5]), pip_requirements=[],
    )
    version = mlflow.register_model(logged.model_uri, name, tags=tags).version
    client.set_registered_model_alias(name, "Champion", version)


client.create_registered_model("{catalog}.{schema}.empty")
client.create_registered_model({model!r} + "_untrained")
mlflow.set_experiment("/Shared/planted")
with mlflow.start_run():
    plant("{catalog}.{schema}.seats", "seats", git_commit="abc123")
    plant("{catalog}.{schema}.ranked", "seats", model_type="ranking")
said = []
for change in json.loads({changes!r}):
    try:
        parameters = [f"--{{k}}={{v}}" for k, v in {{**GIVEN, **change}}.items()]
        run(CompareParameters.parse(parameters), Lakehouse())
    except Exception as error:
        said.append(f"{{type(error).__name__}}: {{error}}")
    else:
        said.append("compared")
try:
    given = {{k: GIVEN[k] for k in ("model", "experiment", "policy", "job_run")}}
    given |= {{"source": "{catalog}.at_all", "as_of": "2000-01-01", "tune": "false"}}
    given |= {{"git_commit": "", "reason": "test"}}
    parameters = [f"--{{k}}={{v}}" for k, v in given.items()]
    train.run(train.TrainParameters.parse(parameters), Lakehouse(), None)
except Exception as error:
    said.append(f"{{type(error).__name__}}: {{error}}")
refused = client.get_experiment_by_name("refused")
print(json.dumps([refused is None, said]))
"""
CASES: list[tuple[dict[str, str], str]] = [
    ({"champion_of": MODEL}, "the model of this deployment itself"),
    ({"champion_of": f"{THERE}.nothing"}, f"Registered model {THERE}.nothing cannot be read"),
    ({"champion_of": f"{THERE}.empty"}, "has no Champion yet, so there is nothing to compare with"),
    ({"champion_of": f"{THERE}.seats"}, "needs the inputs seats; rows here have "),
    ({"champion_of": f"{THERE}.ranked"}, "is a model of the type 'ranking'"),
    ({"model": f"{MODEL}_untrained"}, "has no version yet: run the job model_training first"),
    ({"model_uri": f"models:/{CHAMPION_OF}/1"}, "a version of the model whose Champion"),
    ({"model_uri": f"models:/{MODEL}@{CHALLENGER}"}, "empty means the Challenger or, where there"),
    ({"source": "nowhere.at_all"}, "source_catalog and source_schema name nowhere.at_all"),
]


def test_what_cannot_be_compared_or_learned_from_is_refused_by_name_and_leaves_no_run(
    developed: Laptop,
) -> None:
    changes = json.dumps([change for change, _ in CASES])
    printed = developed.execute(
        REFUSALS.format(
            model=MODEL, champion_of=CHAMPION_OF, source=THERE, changes=changes,
            catalog=CATALOG, schema=SCHEMA_THERE,
        )
    )  # fmt: skip
    nothing_left, said = json.loads(printed.splitlines()[-1])
    *compared, trained = said
    for message, (_, says) in zip(compared, CASES, strict=True):
        assert says in message
    assert f"The variables source_catalog and source_schema name {CATALOG}.at_all" in trained
    assert nothing_left


# Last, because it deletes what the other tests check.
def test_dev_can_be_torn_down_and_nothing_of_production_has_changed(
    developed: Laptop,
    compared: str,  # noqa: ARG001
    before: tuple[Any, list[tuple[str, int, int]]],
) -> None:
    done = developed.call("run", "teardown", "--var", SOURCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list_own(developed) == []
    said, files = look(developed)
    assert said == before[0]
    assert files == before[1]
