"""Beside others a project is built, judged and released from its folder, whatever those do."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conformance.tests.commands import Databricks
from conformance.tests.deployments import PROD, TARGETS, Target
from conformance.tests.projects import Project
from conformance.tests.workspaces import Workspace
from scaffold.tests.monorepos import add_project, run
from scaffold.tests.repositories import Engine

# What a repository may say for all its folders, and a project must not heed.
SETTINGS = (
    '[tool.ruff]\nline-length = 40\n[tool.pytest.ini_options]\naddopts = ["--no-such-flag"]\n'
)


@pytest.fixture
def project(bundle: Engine, url: str, tmp_path: Path) -> Project:
    """A project beside another, committed on prod's branch, whose workspaces are the fake one."""
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    for name in ("air", "zoo"):
        add_project(bundle, tmp_path, name, "all")
        described = tmp_path / name / "databricks.yml"
        text = described.read_text()
        for host in ("https://staging.cloud.databricks.com", "https://prod.cloud.databricks.com"):
            text = text.replace(host, url)
        described.write_text(text)
    Project(tmp_path).git("init", "--quiet", "--initial-branch", PROD.branch)
    project = Project(tmp_path / "zoo")
    project.commit("Two projects")
    return project


def open_target(project: Project, bundle: Engine, url: str, target: Target) -> Databricks:
    variables = {name: value for name, value in target.variables.items() if name != "readers"}
    workspace = Workspace(url, f"{project.root.parent.name}-{target.name}")
    home = project.root.parent / ".home"
    home.mkdir(exist_ok=True)
    return Databricks(bundle.program, home, project.root, workspace, target.identity, variables)


def deliver(databricks: Databricks, verb: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "delivery", verb, PROD.name],
        cwd=databricks.folder,
        env=databricks.describe_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def test_every_target_is_valid_and_knows_its_branch(
    project: Project, bundle: Engine, url: str
) -> None:
    for target in TARGETS:
        project.switch(target.branch)
        databricks = open_target(project, bundle, url, target)
        done = databricks("bundle", "validate", "--strict", "--target", target.name).succeed()
        assert done.out.endswith("Validation OK!\n")
    project.switch("feature")
    prod = open_target(project, bundle, url, PROD)
    refused = prod("bundle", "plan", "--target", PROD.name)
    assert refused.code != 0
    assert "not on the right Git branch" in refused.said


def test_a_release_heeds_what_is_uncommitted_in_its_own_folder_alone(
    project: Project, bundle: Engine, url: str
) -> None:
    prod = open_target(project, bundle, url, PROD)
    (project.root.parent / "air" / "README.md").write_text("Under work.\n")
    assert deliver(prod, "plan")[0] == 0
    own = project.root / "README.md"
    kept = own.read_text()
    own.write_text("Under work.\n")
    code, said = deliver(prod, "release")
    assert (code, "There are uncommitted changes" in said) == (1, True)
    own.write_text(kept)
    code, said = deliver(prod, "release")
    assert code == 0, said
    assert "The plan is unchanged." in said


def test_the_wheel_holds_the_project_alone_and_names_the_commit(project: Project) -> None:
    (project.root / "src" / "zoo" / "uncommitted.py").write_text("")
    wheel = project.build_wheel()
    assert f"+g{project.read_commit()[:12]}-" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        folders = {name.partition("/")[0] for name in archive.namelist()}
        assert "zoo/uncommitted.py" not in archive.namelist()
    assert {name for name in folders if "." not in name} == {"zoo"}


def test_a_change_of_another_project_is_no_cause_to_train(project: Project) -> None:
    asked = "import sys; from delivery.__main__ import SOURCES\n"
    asked += "from delivery.commands import has_changed; print(has_changed(sys.argv[1], SOURCES))"
    before = project.read_commit()

    def ask() -> str:
        return run([sys.executable, "-c", asked, before], project.root).strip()

    (project.root.parent / "air" / "src" / "air" / "more.py").write_text("")
    project.commit("Another project")
    assert ask() == "False"
    (project.root / "src" / "zoo" / "more.py").write_text("")
    project.commit("This one")
    assert ask() == "True"


def test_settings_of_the_repository_do_not_reach_the_project(project: Project) -> None:
    for arguments in (["ruff", "format", "--check", "."], ["ruff", "check", "."]):
        run([sys.executable, "-m", *arguments, "--no-cache"], project.root)
    (project.root / "tests" / "test_ours.py").write_text("def test_ours() -> None:\n    pass\n")
    run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_ours.py"],
        project.root,
    )
