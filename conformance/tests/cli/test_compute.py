"""What docs/compute.md shows is applied to the bundle as it says, and read by the CLI."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from laptop.bundle import Identity, resolve

from conformance.tests.deployments import DEV, PROD, TARGETS, TEST, Deployment, Open, Target, each
from conformance.tests.projects import ROOT
from conformance.tests.workspaces import USER

PAGE = (ROOT / "docs" / "compute.md").read_text()
CLASSIC = tuple(target for target in TARGETS if target is not DEV)


def list_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def apply_page(deployment: Deployment) -> None:
    """Run what the page gives before the CLI is asked."""
    (commands,) = list_blocks("sh")
    copy, validate = commands.splitlines()
    assert validate == "databricks bundle validate --strict"
    subprocess.run(shlex.split(copy), cwd=deployment.project.root, check=True)


def read_jobs(deployment: Deployment) -> dict[str, Any]:
    """Return the jobs as the CLI resolves them."""
    resolved = deployment("validate", "--output", "json").succeed().json
    jobs: dict[str, Any] = resolved["resources"]["jobs"]
    return jobs


def read_laptop_jobs(deployment: Deployment) -> Any:
    """Return the jobs as the laptop resolves them."""
    identity = Identity(USER.user_name, USER.short_name)
    return resolve(deployment.project.root, target=DEV.name, variables={}, identity=identity).jobs


def read_libraries(environment: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an environment's dependencies as a cluster's libraries name them."""
    return [
        {"whl": str(Path(one))} if one.endswith(".whl") else {"pypi": {"package": one}}
        for one in environment["spec"]["dependencies"]
    ]


@each(*TARGETS)
def test_a_target_is_valid_without_a_warning(open_target: Open, target: Target) -> None:
    deployment = open_target(target)
    apply_page(deployment)
    result = deployment("validate", "--strict").succeed()
    assert (result.out.endswith("Validation OK!\n"), result.err) == (True, "")


@each(*CLASSIC)
def test_every_task_runs_on_its_job_s_cluster_with_the_libraries_of_its_environment(
    open_target: Open, target: Target
) -> None:
    deployment = open_target(target)
    serverless = read_jobs(deployment)
    apply_page(deployment)
    jobs = read_jobs(deployment)
    assert jobs.keys() == serverless.keys()
    for name, job in jobs.items():
        (cluster,) = job.pop("job_clusters")
        assert cluster["new_cluster"]["data_security_mode"] == "SINGLE_USER"
        environments = {one["environment_key"]: one for one in job["environments"]}
        for task, before in zip(job["tasks"], serverless[name]["tasks"], strict=True):
            if "python_wheel_task" not in task:
                continue  # a condition, or the run of another job
            environment = environments[before.pop("environment_key")]
            assert task.pop("job_cluster_key") == cluster["job_cluster_key"]
            assert task.pop("libraries") == read_libraries(environment)
    # Nothing else has changed, and no task names an environment.
    assert jobs == serverless


def test_dev_stays_as_it_is_also_for_the_laptop(open_target: Open) -> None:
    deployment = open_target(DEV)
    before = read_jobs(deployment), read_laptop_jobs(deployment)
    apply_page(deployment)
    assert (read_jobs(deployment), read_laptop_jobs(deployment)) == before


def test_what_is_deployed_names_the_cluster_and_the_uploaded_wheel_alone(open_target: Open) -> None:
    deployment = open_target(TEST)
    apply_page(deployment)
    deployment.project.commit("Job clusters")
    deployment.deploy().succeed()
    state = deployment.workspace.read_state()
    tasks = [
        task
        for job in state["jobs"].values()
        for task in job["settings"]["tasks"]
        if "python_wheel_task" in task
    ]
    assert len(tasks) >= 7
    for task in tasks:
        assert task.keys() & {"environment_key", "job_cluster_key"} == {"job_cluster_key"}
        wheel, _ = task["libraries"]
        assert any(path.endswith(Path(wheel["whl"]).name) for path in state["files"])
    assert re.search(r"^Plan: 0 to add, 0 to change, 0 to delete", deployment.plan(), re.MULTILINE)


@pytest.mark.parametrize("block", list_blocks("yaml"))
def test_other_machines_are_a_target_s_variables(open_target: Open, block: str) -> None:
    deployment = open_target(PROD)
    apply_page(deployment)
    # Merged by the CLI, as if it stood in databricks.yml.
    (deployment.project.root / "resources" / "machines.yml").write_text(block)
    deployment("validate", "--strict").succeed()
    wanted = yaml.safe_load(block)["targets"]["prod"]["variables"]
    for job in read_jobs(deployment).values():
        cluster = job["job_clusters"][0]["new_cluster"]
        found = {"spark_version": cluster["spark_version"], "node_type": cluster["node_type_id"]}
        assert found == wanted


def test_the_page_shows_other_machines() -> None:
    assert len(list_blocks("yaml")) == 1
