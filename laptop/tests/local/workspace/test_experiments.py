from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, ResourceAlreadyExists
from databricks.sdk.service.ml import ExperimentTag

from ...conftest import Jobs, execute

NAME = "/Users/laptop@localhost/made"


def test_an_experiment_is_made_found_renamed_and_removed(client: WorkspaceClient) -> None:
    tags = [ExperimentTag(key="team", value="a")]
    number = client.experiments.create_experiment(NAME, tags=tags).experiment_id or ""
    with pytest.raises((BadRequest, ResourceAlreadyExists), match="already exists"):
        client.experiments.create_experiment(NAME)
    found = client.experiments.get_experiment(number).experiment
    assert found is not None
    assert (found.name, found.tags) == (NAME, tags)
    by_name = client.experiments.get_by_name(NAME).experiment
    assert by_name is not None
    assert by_name.experiment_id == number
    client.experiments.update_experiment(number, new_name=f"{NAME}-anew")
    assert f"{NAME}-anew" in [each.name for each in client.experiments.list_experiments()]
    one = client.experiments.search_experiments(filter=f"name = '{NAME}-anew'", max_results=1)
    assert [each.experiment_id for each in one] == [number]
    client.experiments.delete_experiment(number)
    assert f"{NAME}-anew" not in [each.name for each in client.experiments.list_experiments()]
    with pytest.raises(NotFound):
        client.experiments.get_by_name(f"{NAME}-anew")
    with pytest.raises(NotFound):
        client.experiments.delete_experiment(number)


def test_a_removed_experiment_s_name_is_free_again(client: WorkspaceClient) -> None:
    first = client.experiments.create_experiment(f"{NAME}-twice").experiment_id or ""
    client.experiments.delete_experiment(first)
    second = client.experiments.create_experiment(f"{NAME}-twice").experiment_id or ""
    assert second != first
    client.experiments.delete_experiment(second)


def test_no_experiment_takes_another_s_name(client: WorkspaceClient) -> None:
    numbers = [
        client.experiments.create_experiment(f"{NAME}-{which}").experiment_id or ""
        for which in ("one", "two")
    ]
    with pytest.raises((BadRequest, ResourceAlreadyExists), match="already exists"):
        client.experiments.update_experiment(numbers[0], new_name=f"{NAME}-two")
    for number in numbers:
        client.experiments.delete_experiment(number)


def test_a_run_is_read_with_what_it_logged(
    client: WorkspaceClient, jobs: Jobs, tmp_path: Path
) -> None:
    number = client.experiments.create_experiment(f"{NAME}-run").experiment_id or ""
    code = (
        "import mlflow, pathlib\n"
        f"with mlflow.start_run(experiment_id={number!r}) as run:\n"
        "    mlflow.log_metric('auc', 0.75)\n"
        "    mlflow.log_param('depth', 3)\n"
        f"pathlib.Path({str(tmp_path / 'id')!r}).write_text(run.info.run_id)\n"
    )
    jobs.run(execute("log", code))
    run = client.experiments.get_run((tmp_path / "id").read_text()).run
    assert run is not None
    assert run.data is not None
    assert [(each.key, each.value) for each in run.data.metrics or []] == [("auc", 0.75)]
    assert [(each.key, each.value) for each in run.data.params or []] == [("depth", "3")]
    client.experiments.delete_experiment(number)
    with pytest.raises(NotFound, match="Run"):
        client.experiments.get_run("0" * 32)
