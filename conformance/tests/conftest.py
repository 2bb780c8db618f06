from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.tests.commands import Databricks, find_program
from conformance.tests.deployments import Deployment, Open, Target
from conformance.tests.projects import Project, copy_project
from conformance.tests.workspaces import Workspace, serve_workspaces

MAKE = "run `make databricks-cli` (needs Go)"


@pytest.fixture(scope="session")
def cli() -> Path:
    return find_program("databricks", MAKE)


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("fake-workspace") / "errors.log"
    with serve_workspaces(find_program("fake-workspace", MAKE), log) as url:
        yield url


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, url: str) -> Project:
    """Return a copy of the working tree, committed on main, with its wheel; do not modify."""
    project = copy_project(tmp_path_factory.mktemp("project"), host=url)
    project.build_wheel()
    return project


@pytest.fixture(scope="session")
def open_target(
    tmp_path_factory: pytest.TempPathFactory, cli: Path, url: str, project: Project
) -> Open:
    """Return a function that gives a target a checkout on its branch and an empty workspace."""

    def open_one(target: Target) -> Deployment:
        folder = tmp_path_factory.mktemp(target.name)
        checkout = project.copy(folder / "checkout")
        checkout.switch(target.branch)
        home = folder / "home"
        home.mkdir()
        workspace = Workspace(url, folder.name)
        databricks = Databricks(
            cli, home, checkout.root, workspace, target.identity, target.variables
        )
        return Deployment(target, checkout, workspace, databricks)

    return open_one
