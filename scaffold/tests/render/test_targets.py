"""Every target of a project is valid as it comes out, with the real CLI."""

import shutil
from pathlib import Path

import pytest

from conformance.tests.commands import Databricks
from conformance.tests.deployments import TARGETS, Target, each
from conformance.tests.projects import Project
from conformance.tests.workspaces import Workspace
from scaffold.tests.repositories import Engine

ANSWERS = {"project_name": "zebra_of_thirty_letters_in_all", "readers": "null"}


@pytest.fixture(scope="module", params=["yes", "no"])
def project(
    bundle: Engine,
    url: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Project:
    """A project, committed on main with its wheel, whose workspaces are the fake one."""
    answers = {**ANSWERS, "serving": request.param}
    project = Project(bundle.make(tmp_path_factory.mktemp("projects"), answers))
    described = project.root / "databricks.yml"
    text = described.read_text()
    for host in ("https://staging.cloud.databricks.com", "https://prod.cloud.databricks.com"):
        text = text.replace(host, url)
    described.write_text(text)
    project.git("init", "--quiet", "--initial-branch", "main")
    project.commit("A new project")
    project.build_wheel()
    return project


@each(*TARGETS)
@pytest.mark.parametrize("compute", ["serverless", "clusters"])
def test_a_target_of_a_new_project_is_valid_without_a_warning(
    project: Project, bundle: Engine, url: str, tmp_path: Path, target: Target, compute: str
) -> None:
    if compute == "clusters":
        project = project.copy(tmp_path / "project")
        name = "with_job_clusters.yml"
        shutil.copy(project.root / "docs" / name, project.root / "resources" / name)
    project.switch(target.branch)
    # The group of readers stands in the bundle itself.
    variables = {name: value for name, value in target.variables.items() if name != "readers"}
    workspace = Workspace(url, f"init-{target.name}")
    databricks = Databricks(
        bundle.program, tmp_path, project.root, workspace, target.identity, variables
    )
    done = databricks("bundle", "validate", "--strict", "--target", target.name).succeed()
    assert done.out.endswith("Validation OK!\n")
    assert done.err == ""
    assert f"Name: {ANSWERS['project_name']}\n" in done.out
