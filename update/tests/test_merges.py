"""A project that a team has changed, and a new version of the living template."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from conformance.tests.projects import Project
from scaffold.tests.repositories import read_project
from update.tests.templates import RECORD, Command, Template, start_repository

BRANCH = "air-template-v0.2.0"


@pytest.fixture
def project(released: Template, tmp_path: Path) -> Project:
    """A project of v0.1.0, committed on main."""
    return start_repository(released.make("v0.1.0", tmp_path / "made", project_name="air"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_an_untouched_project_becomes_what_the_new_version_makes(
    project: Project, released: Template, update: Command, tmp_path: Path
) -> None:
    done = update(project.root, released.root, "v0.2.0").succeed()
    fresh = released.make("v0.2.0", tmp_path / "fresh", project_name="air")
    assert read_project(project.root) == read_project(fresh)
    assert project.git("status", "--porcelain") == ""
    assert project.git("branch", "--show-current").strip() == BRANCH
    assert "air goes from v0.1.0 to v0.2.0" in done.out
    assert "New question motto: took its default, 'none'." in done.out
    assert "docs/new.md (new)" in done.out
    assert "Next: `make lint test`, then open a pull request.\n" in done.out
    assert "read CHANGELOG.md of the template at v0.2.0" in done.out
    assert os.access(project.root / "delivery" / "plan.py", os.X_OK)


def test_a_new_version_of_the_laptop_takes_the_place_of_the_old_one(
    project: Project, released: Template, update: Command
) -> None:
    names = ("pyproject.toml", "uv.lock")
    (old,) = (project.root / "vendor").glob("*.whl")
    for name in names:
        assert old.name in (project.root / name).read_text()
    (project.root / "pyproject.toml").write_text(
        (project.root / "pyproject.toml").read_text() + "\n[tool.ours]\nadded = true\n"
    )
    project.commit("Ours")
    update(project.root, released.root, "v0.2.0").succeed()
    (new,) = (project.root / "vendor").glob("*.whl")
    assert new.name == "laptop-9.0.0-py3-none-any.whl"
    for name in names:
        text = (project.root / name).read_text()
        assert new.name in text
        assert old.name not in text
    command = [os.environ.get("UV", "uv"), "lock", "--check", "--offline"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_changes_of_the_team_and_of_the_template_both_stand(
    project: Project, released: Template, update: Command
) -> None:
    readme, model = project.root / "README.md", project.root / "src/air/problem/model.py"
    edit(readme, "# Air\n", "# Air, ours\n")
    edit(model, '"""', '"""Ours. ')
    (project.root / "docs" / "ours.md").write_text("Ours.\n")
    (project.root / "docs" / "architecture.md").unlink()
    project.commit("Ours")
    before = project.git("rev-parse", "main")

    update(project.root, released.root, "v0.2.0").succeed()
    text = readme.read_text()
    assert text.startswith("# Air, ours\n")
    assert text.endswith("## New\n\nAs the template has it.\n")
    assert model.read_text().startswith('"""Ours. ')
    assert (project.root / "docs" / "ours.md").read_text() == "Ours.\n"
    assert (project.root / "docs" / "picture.png").read_bytes() == b"\0new"
    assert (project.root / "docs" / "new.md").exists()
    assert not (project.root / "docs" / "architecture.md").exists()
    assert not (project.root / "docs" / "old.md").exists()
    assert project.git("rev-parse", "main") == before
    assert project.git("rev-parse", f"{BRANCH}~") == before
    assert project.git("log", "-1", "--format=%an: %s", BRANCH) == (
        "Ann: Bring air to v0.2.0 of its template\n"
    )


def test_contradictions_are_left_as_git_shows_them_and_can_be_resolved_or_taken_back(
    project: Project, released: Template, update: Command
) -> None:
    agents, old = project.root / "AGENTS.md", project.root / "docs" / "old.md"
    agents.write_text("# Ours\n" + agents.read_text().partition("\n")[2])
    old.write_text(old.read_text() + "Ours.\n")
    (project.root / "docs" / "picture.png").write_bytes(b"\0ours")
    project.commit("Ours")

    done = update(project.root, released.root, "v0.2.0")
    assert (done.code, done.err) == (1, "")
    conflicts = ["AGENTS.md", "docs/old.md", "docs/picture.png"]
    assert "".join(f"\n  {path}" for path in conflicts) + "\n\nNext: " in done.out
    assert agents.read_text().startswith(
        "<<<<<<< HEAD\n# Ours\n=======\n# As the template has it\n"
    )
    assert project.git("status", "--porcelain", *conflicts) == (
        "UU AGENTS.md\nUD docs/old.md\nUU docs/picture.png\n"
    )
    again = update(project.root, released.root, "v0.2.0")
    assert again.code == 2
    assert "`git cherry-pick --continue` or `--abort`" in again.err

    project.git("cherry-pick", "--abort")
    assert agents.read_text().startswith("# Ours\n")
    assert project.git("status", "--porcelain") == ""
    assert update(project.root, released.root, "v0.2.0").code == 1
    agents.write_text("# Both\n")
    project.git("add", "--all")
    project.git("-c", "core.editor=true", "cherry-pick", "--continue")
    assert json.loads((project.root / RECORD).read_text())["template_version"] == "0.2.0"


def test_a_renamed_package_gets_what_the_template_changes_in_its_files(
    project: Project, released: Template, update: Command
) -> None:
    project.git("mv", "delivery", "shipping")
    project.git("mv", "README.md", "START.md")
    project.commit("Other names")
    update(project.root, released.root, "v0.2.0").succeed()
    assert (project.root / "START.md").read_text().endswith("As the template has it.\n")
    assert os.access(project.root / "shipping" / "plan.py", os.X_OK)
    assert not (project.root / "README.md").exists()
    assert not (project.root / "delivery").exists()


def test_a_new_question_and_an_old_one_can_be_answered_otherwise(
    project: Project, released: Template, update: Command
) -> None:
    (project.root / "docs" / "ours.md").write_text("Ours.\n")
    project.commit("Ours")
    flags = ("--answer", "motto=onwards", "--answer", "ci_platform=gitlab")
    done = update(project.root, released.root, "v0.2.0", *flags).succeed()
    assert "New question" not in done.out
    record = json.loads((project.root / RECORD).read_text())
    assert (record["motto"], record["ci_platform"]) == ("onwards", "gitlab")
    assert (project.root / ".gitlab-ci.yml").exists()
    assert not (project.root / ".github").exists()
    assert (project.root / "docs" / "ours.md").exists()


def test_an_answer_can_change_within_a_version(
    project: Project, released: Template, update: Command
) -> None:
    flags = ("--answer", "readers=ml-team")
    update(project.root, released.root, "v0.1.0", *flags).succeed()
    changed = project.git("diff", "--name-only", "main", "HEAD").split()
    assert changed == [RECORD, "databricks.yml"]
    again = update(project.root, released.root, "v0.1.0", *flags)
    assert (again.code, "air is at v0.1.0" in again.err) == (2, True)
