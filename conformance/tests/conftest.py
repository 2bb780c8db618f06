import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.tests.commands import Databricks
from conformance.tests.deployments import Deployment, Open, Target
from conformance.tests.projects import PATH, Project, copy_project
from conformance.tests.workspaces import Workspace, serve_workspaces


def _find(program: str) -> Path:
    """Finds a program, or skips; with REQUIRE_DATABRICKS_CLI=1, as in CI, fails instead."""
    found = shutil.which(program, path=PATH)
    if found is None:
        reason = f"no {program} on the PATH or in .tools/bin: run `make databricks-cli` (needs Go)"
        if os.environ.get("REQUIRE_DATABRICKS_CLI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return Path(found)


@pytest.fixture(scope="session")
def cli() -> Path:
    return _find("databricks")


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("fake-workspace") / "errors.log"
    with serve_workspaces(_find("fake-workspace"), log) as url:
        yield url


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, url: str) -> Project:
    """This repository as it stands, committed on main, with its wheel; not to be changed."""
    project = copy_project(tmp_path_factory.mktemp("project"), host=url)
    project.build_wheel()
    return project


@pytest.fixture(scope="session")
def open_target(
    tmp_path_factory: pytest.TempPathFactory, cli: Path, url: str, project: Project
) -> Open:
    """Gives a target a checkout, on its branch, and an empty workspace of its own."""

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
