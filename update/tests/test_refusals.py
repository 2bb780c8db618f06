"""What keeps an update from beginning is said, and nothing is changed."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.tests.projects import Project
from scaffold.tests.repositories import read_project
from update.tests.templates import RECORD, Command, Template, start_repository, write_files

FILES = {"{{.project_name}}/steps.txt": "step\n"}


@pytest.fixture
def template(small: Template) -> Template:
    """A small template with a version that is sound and some that are not."""
    small.write("0.1.0", FILES, {"colour": "red", "size": "10"})
    small.write("0.2.0", {"{{.project_name}}/steps.txt": "new\n"}, {"colour": "red", "taste": "no"})
    small.write("0.3.0", FILES, {}, min_databricks_cli_version="v99.0.0")
    small.repository.git("tag", "v0.4.0", "v0.2.0")
    return small


@pytest.fixture
def project(template: Template, tmp_path: Path) -> Project:
    """A project of v0.1.0, committed on main."""
    return start_repository(template.make("v0.1.0", tmp_path / "made", project_name="air"))


def change_record(project: Project, **answers: str) -> None:
    path = project.root / RECORD
    path.write_text(json.dumps({**json.loads(path.read_text()), **answers}))
    project.commit("Another record")


def delete_record(project: Project) -> None:
    (project.root / RECORD).unlink()
    project.commit("No record")


def break_record(project: Project, text: str) -> None:
    (project.root / RECORD).write_text(text)
    project.commit("Another record")


Change = Callable[[Project], object]


def keep(project: Project) -> None:
    assert project.git("status", "--porcelain") == ""


CASES: dict[str, tuple[Change, str, tuple[str, ...], tuple[str, ...]]] = {
    "changed": (
        lambda project: write_files(project.root, {"steps.txt": "ours\n"}),
        "v0.2.0",
        (),
        ("not committed", " M steps.txt", "git stash"),
    ),
    "untracked": (
        lambda project: write_files(project.root, {"ours.txt": "ours\n"}),
        "v0.2.0",
        (),
        ("not committed", "?? ours.txt"),
    ),
    "no record": (delete_record, "v0.2.0", (), (f"holds no {RECORD}", "project's root")),
    "no JSON": (lambda project: break_record(project, "{"), "v0.2.0", (), ("is not JSON",)),
    "no texts": (lambda project: break_record(project, "[]"), "v0.2.0", (), ("object of texts",)),
    "no version": (
        lambda project: break_record(project, '{"project_name": "air"}'),
        "v0.2.0",
        (),
        ("does not say template_version",),
    ),
    "version without a tag": (
        lambda project: change_record(project, template_version="0.0.9"),
        "v0.2.0",
        (),
        ("has no tag v0.0.9; it has v0.1.0, v0.2.0, v0.3.0, v0.4.0", "tag the commit"),
    ),
    "record of other questions": (
        lambda project: change_record(project, shape="round"),
        "v0.2.0",
        (),
        ("not one of v0.1.0: it differs in shape", "asks for project_name, colour, size"),
    ),
    "no such tag": (keep, "v9.9.9", (), ("no tag v9.9.9; it has v0.1.0,",)),
    "a version without its v": (keep, "0.2.0", (), ("no tag 0.2.0;",)),
    "same version": (keep, "v0.1.0", (), ("air is at v0.1.0 of the template already",)),
    "same answers": (keep, "v0.1.0", ("--answer", "colour=red"), ("with these answers",)),
    "a branch that exists": (
        lambda project: project.git("branch", "air-template-v0.2.0"),
        "v0.2.0",
        (),
        ("branch air-template-v0.2.0 exists", "git branch --delete --force air-template-v0.2.0"),
    ),
    "an answer to no question": (
        keep,
        "v0.2.0",
        ("--answer", "shape=round"),
        ("v0.2.0 of the template does not ask for shape", "project_name, colour, taste"),
    ),
    "another name": (
        keep,
        "v0.2.0",
        ("--answer", "project_name=zoo"),
        ("project_name is air and cannot become zoo",),
    ),
    "no answer": (keep, "v0.2.0", ("--answer", "shape"), ("write it as NAME=ANSWER, got",)),
    "a CLI that is too old": (
        keep,
        "v0.3.0",
        (),
        ("does not render v0.3.0", 'minimum CLI version "v99.0.0" is greater than'),
    ),
    "a tag on another version": (keep, "v0.4.0", (), ("tag v0.4.0", "holds the version 0.2.0")),
}


@pytest.mark.parametrize(("change", "tag", "flags", "said"), CASES.values(), ids=CASES)
def test_an_update_that_cannot_be_is_refused_and_changes_nothing(
    project: Project,
    template: Template,
    update: Command,
    change: Change,
    tag: str,
    flags: tuple[str, ...],
    said: tuple[str, ...],
) -> None:
    change(project)
    before = read_project(project.root), list_refs(project)
    done = update(project.root, template.root, tag, *flags)
    assert (done.code, done.out) == (2, "")
    assert [part for part in said if part not in done.err] == [], done.err
    assert "Traceback" not in done.err
    assert (read_project(project.root), list_refs(project)) == before


def list_refs(project: Project) -> str:
    return project.git("for-each-ref") + project.git("symbolic-ref", "HEAD")


def test_a_folder_that_git_does_not_keep_is_refused(
    template: Template, update: Command, tmp_path: Path
) -> None:
    done = update(
        template.make("v0.1.0", tmp_path / "made", project_name="air"), template.root, "v0.2.0"
    )
    assert (done.code, "is in no git repository" in done.err) == (2, True)


def test_a_template_that_cannot_be_read_is_refused(project: Project, update: Command) -> None:
    done = update(project.root, "https://workspace.invalid/template", "v0.2.0")
    assert done.code == 2
    assert "git cannot read the template https://workspace.invalid/template: fatal:" in done.err


def test_without_the_cli_it_is_named(
    project: Project, template: Template, update: Command, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    git = next(
        Path(one) / "git" for one in os.environ["PATH"].split(":") if (Path(one) / "git").exists()
    )
    (tmp_path / "bin" / "git").symlink_to(git)
    done = update(project.root, template.root, "v0.2.0", PATH=str(tmp_path / "bin"))
    assert (done.code, "no `databricks` on the PATH" in done.err) == (2, True)


def test_questions_that_are_new_or_gone_are_said_and_settings_of_databricks_play_no_part(
    project: Project, template: Template, update: Command
) -> None:
    done = update(
        project.root,
        template.root,
        "v0.2.0",
        DATABRICKS_CONFIG_PROFILE="none",
        DATABRICKS_HOST="https://elsewhere.invalid",
        ARM_CLIENT_ID="one",
    ).succeed()
    assert "New question taste: took its default, 'no'.\nAsked no more: size.\n" in done.out
    record = json.loads((project.root / RECORD).read_text())
    assert list(record) == ["template_version", "project_name", "colour", "taste"]


def test_an_update_that_was_killed_leaves_the_branch_and_can_be_run_again(
    project: Project, template: Template, update: Command
) -> None:
    before = project.git("rev-parse", "main")
    hook = project.root / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\nkill -9 $(ps -o ppid= -p $PPID)\n")
    hook.chmod(0o755)
    done = update(project.root, template.root, "v0.2.0")
    assert done.code == -9
    hook.unlink()
    assert project.git("rev-parse", "main") == before
    assert project.git("status", "--porcelain") == ""
    assert project.git("branch", "--show-current") == "air-template-v0.2.0\n"
    update(project.root, template.root, "v0.2.0").succeed()
    assert project.git("rev-parse", "main", "HEAD~").split() == [before.strip()] * 2
