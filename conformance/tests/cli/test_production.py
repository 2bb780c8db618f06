"""Who deploys what is kept, from where, as whom it runs, and who may see it."""

import hashlib
import posixpath
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from conformance.tests.deployments import DEV, KEPT, PROD, STAGING, TARGETS, Open, Target, each
from conformance.tests.workspaces import SERVICE_PRINCIPAL

PRINCIPALS = ("user_name", "service_principal_name", "group_name")


@each(*KEPT)
def test_jobs_run_as_the_service_principal_that_deployed_them(
    open_target: Open, target: Target
) -> None:
    deployment = open_target(target)
    deployment.deploy().succeed()
    jobs = deployment.workspace.read_state()["jobs"].values()
    assert len(jobs) == 9
    for job in jobs:
        assert job["creator_user_name"] == SERVICE_PRINCIPAL.user_name
        run_as = job["settings"]["run_as"]
        assert run_as == {"service_principal_name": SERVICE_PRINCIPAL.user_name}


@each(*KEPT)
def test_only_the_principal_manages_and_the_readers_view(open_target: Open, target: Target) -> None:
    deployment = open_target(target)
    deployment.deploy().succeed()
    state = deployment.workspace.read_state()
    principal = ("service_principal_name", SERVICE_PRINCIPAL.user_name)
    readers = ("group_name", "analysts")
    for job in state["jobs"]:
        assert read_grants(state, f"/jobs/{job}") == {principal: "IS_OWNER", readers: "CAN_VIEW"}
    for experiment in state["experiments"]:
        granted = read_grants(state, f"/experiments/{experiment}")
        assert granted == {principal: "CAN_MANAGE", readers: "CAN_READ"}
    folder = state["folders"][target.root_path]
    granted = read_grants(state, f"/directories/{folder}")
    assert granted == {principal: "CAN_MANAGE", readers: "CAN_READ"}


@each(*KEPT)
def test_the_bundle_stands_in_the_principals_own_folder_and_nowhere_else(
    open_target: Open, target: Target
) -> None:
    deployment = open_target(target)
    deployment.deploy().succeed()
    assert target.root_path.startswith(f"/Workspace/Users/{SERVICE_PRINCIPAL.user_name}/")
    files = deployment.workspace.read_state()["files"]
    assert files
    assert all(file.startswith(f"{target.root_path}/") for file in files)


@pytest.mark.parametrize(
    ("target", "branch"),
    [(STAGING, "release"), (STAGING, "feature"), (PROD, "main"), (PROD, "feature")],
    ids=lambda value: getattr(value, "name", value),
)
@pytest.mark.parametrize("command", ["plan", "deploy"])
def test_a_target_is_refused_from_another_branch_and_nothing_is_done(
    open_target: Open, target: Target, branch: str, command: str
) -> None:
    deployment = open_target(target)
    deployment.project.switch(branch)
    before = deployment.workspace.read_state()
    result = deployment(command)
    assert result.code == 1
    assert "Error: not on the right Git branch:" in result.err
    assert f"expected according to configuration: {target.branch}\n  actual: {branch}" in result.err
    assert deployment.workspace.read_state() == before


@each(*TARGETS)
def test_each_wheel_that_a_job_names_is_the_one_that_was_built(
    open_target: Open, target: Target
) -> None:
    deployment = open_target(target)
    deployment.deploy().succeed()
    state = deployment.workspace.read_state()
    # In dev the CLI writes a version of its own into a copy of the wheel that was built.
    copies = ".databricks/bundle/dev/patched_wheels/*/*.whl"
    (built,) = deployment.project.root.glob(copies if target is DEV else "dist/*.whl")
    for job in state["jobs"].values():
        wheels = list_wheels(job)
        assert [Path(wheel).name for wheel in wheels] == [built.name]
        for wheel in wheels:
            assert state["files"][wheel] == hashlib.sha256(built.read_bytes()).hexdigest()


@each(*TARGETS)
def test_dev_alone_brings_the_notebook_with_the_wheel_where_it_looks_for_it(
    open_target: Open, target: Target
) -> None:
    deployment = open_target(target)
    deployment.deploy().succeed()
    files = deployment.workspace.read_state()["files"]
    book = PurePosixPath(target.root_path, "files", "notebooks", "exploration.ipynb")
    assert (str(book) in files) is (target is DEV)
    # From the folder of the notebook, as its first cell has it.
    looked_for = "../../artifacts/.internal"
    assert looked_for in (deployment.project.root / "notebooks" / book.name).read_text()
    folder = posixpath.normpath(book.parent / looked_for)
    assert [path for path in files if path.startswith(f"{folder}/") and path.endswith(".whl")]


@each(*(target for target in TARGETS if target is not DEV))
def test_the_wheel_and_the_training_name_the_commit(open_target: Open, target: Target) -> None:
    deployment = open_target(target)
    deployment.deploy().succeed()
    commit = deployment.project.read_commit()
    jobs = {
        job["settings"]["name"].removeprefix("pr_17_"): job
        for job in deployment.workspace.read_state()["jobs"].values()
    }
    (wheel,) = list_wheels(jobs["model_training"])
    assert f"+g{commit[:12]}-" in wheel
    tasks = {task["task_key"]: task for task in jobs["model_training"]["settings"]["tasks"]}
    assert f"--git_commit={commit}" in tasks["train"]["python_wheel_task"]["parameters"]


def list_wheels(job: dict[str, Any]) -> list[str]:
    return [
        dependency
        for environment in job["settings"]["environments"]
        for dependency in environment["spec"]["dependencies"]
        if dependency.endswith(".whl")
    ]


def read_grants(state: dict[str, Any], object_id: str) -> dict[tuple[str, str], str]:
    """Read who was given what directly, by kind and name."""
    granted = {}
    for entry in state["permissions"][object_id]["access_control_list"]:
        (principal,) = [(key, entry[key]) for key in PRINCIPALS if key in entry]
        for permission in entry["all_permissions"]:
            if not permission["inherited"]:
                granted[principal] = permission["permission_level"]
    return granted
