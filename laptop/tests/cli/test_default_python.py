"""A fresh `databricks bundle init default-python`: read as the CLI reads it, its wheel task run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from laptop import connection
from laptop.cli.opening import resolve_target
from laptop.connection import Connection

from ..conftest import Shown, Toy
from .conftest import Databricks

ANSWERS = {
    "include_job": "yes",
    "include_pipeline": "yes",
    "include_python": "yes",
    "personal_schemas": "yes",
    "default_catalog": "main",
}
ALONE = r"Run only the others: --only python_wheel_task"


@pytest.fixture(
    scope="module", params=["serverless", pytest.param("cluster", marks=pytest.mark.nightly)]
)
def fresh(
    request: pytest.FixtureRequest, binary: str, folder: Path, there: Connection
) -> Iterator[Databricks]:
    """Yield the CLI in a new project, whose workspace is not up yet."""
    home = folder / request.param
    home.mkdir()
    serverless = "yes" if request.param == "serverless" else "no"
    answers = {**ANSWERS, "project_name": "taxi", "serverless": serverless}
    (home / "answers.json").write_text(json.dumps(answers))
    Databricks(binary, Toy(home), there).succeed(
        "bundle", "init", "default-python", "--config-file", "answers.json"
    )
    toy = Toy(home / "taxi")
    # The backend that the template names would be fetched; this one is here.
    project = toy.root / "pyproject.toml"
    text = project.read_text().replace('["hatchling"]', '["uv_build>=0.9,<1"]')
    project.write_text(text.replace("hatchling.build", "uv_build"))
    yield Databricks(binary, toy, there)
    connection.stop(toy.state_dir)


def succeed(shown: Shown) -> str:
    assert shown.status == 0, shown.out + shown.err
    return shown.out


def test_the_laptop_reads_a_fresh_project_as_the_cli_does(fresh: Databricks) -> None:
    for target in ("dev", "prod"):
        validated = fresh.read("bundle", "validate", "-t", target)
        config = resolve_target(fresh.toy.root, target, {}).config
        for part in ("artifacts", "resources", "variables"):
            assert config[part] == validated[part]


def test_the_wheel_task_of_a_fresh_project_runs_and_the_others_are_refused(
    fresh: Databricks,
) -> None:
    toy = fresh.toy
    assert "DATABRICKS_HOST" in succeed(toy.call("up"))
    # The template takes a schema of the user's own to be there.
    succeed(toy.call("sql", "CREATE SCHEMA main.laptop"))

    whole = toy.call("run", "sample_job")
    assert whole.status == 1
    assert "'refresh_pipeline' needs" in whole.err
    assert "the laptop makes no pipelines" in whole.err
    assert ALONE in whole.err
    book = toy.call("run", "sample_job", "--only", "notebook_task,python_wheel_task")
    assert book.status == 1
    assert "'notebook_task': notebook_task is not supported on the laptop." in book.err
    assert ALONE in book.err

    shown = succeed(toy.call("run", "sample_job", "--only", "python_wheel_task"))
    assert "tpep_pickup_datetime" in shown
    assert "only showing top 5 rows" in shown
