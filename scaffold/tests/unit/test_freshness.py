"""A template that stands is what the root compiles into, or the check says what differs."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scaffold.errors import StaleTemplateError
from scaffold.templates import check_templates, compile_templates, write_templates
from scaffold.tests.repositories import read_project


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(root, tmp_path / "root"))


def edit(root: Path, path: str, text: str) -> None:
    (root / path).write_text(text)


def delete(root: Path, path: str) -> None:
    (root / path).unlink()
    manifest = root / "scaffold" / "manifest.toml"
    manifest.write_text(manifest.read_text().replace(f'    "{path}",\n', ""))


# Changes of the sources, and the files that the message names.
CHANGED: dict[str, tuple[Callable[[Path], None], str]] = {
    "an edit": (
        lambda root: edit(root, "AGENTS.md", "# Flight delays\n"),
        "different: {{.project_name}}/AGENTS.md.tmpl",
    ),
    "a new file": (
        lambda root: edit(root, "docs/new.md", "New.\n"),
        "missing: {{.project_name}}/docs/new.md.tmpl",
    ),
    "a deleted file": (
        lambda root: delete(root, "CLAUDE.md"),
        "in excess: {{.project_name}}/CLAUDE.md.tmpl",
    ),
    "the right to run": (
        lambda root: (root / "demo.sh").chmod(0o644),
        "different: {{.project_name}}/demo.sh.tmpl",
    ),
    "an edit of the template": (
        lambda root: edit(root, "template/__preamble.tmpl", ""),
        "different: __preamble.tmpl",
    ),
    "an edit of the questions": (
        lambda root: edit(root, "databricks_template_schema.json", "{}"),
        "different: databricks_template_schema.json",
    ),
}


def test_a_stale_template_is_told_by_its_files_and_compiling_mends_it(copy: Path) -> None:
    for change, _ in CHANGED.values():
        change(copy)
    before = read_project(copy)
    with pytest.raises(StaleTemplateError) as told:
        check_templates(compile_templates(copy), copy)
    differences = [f"  {difference}" for _, difference in CHANGED.values()]
    assert sorted(str(told.value).splitlines()[1:]) == sorted(differences)
    assert read_project(copy) == before
    write_templates(compile_templates(copy), copy)
    check_templates(compile_templates(copy), copy)


def test_compiling_again_changes_nothing(copy: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in copy.rglob("*.tmpl")}
    before = read_project(copy)
    assert run(copy, "compile").returncode == 0
    assert read_project(copy) == before
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*.tmpl")} == times
    assert run(copy, "compile", "--check").returncode == 0


def test_the_command_fails_with_what_differs(copy: Path) -> None:
    edit(copy, "template/stray", "")
    done = run(copy, "compile", "--check")
    assert done.returncode == 1
    assert "run `python -m scaffold compile`:\n  in excess: stray\n" in done.stderr


def test_a_cookiecutter_template_is_not_written_over_other_files(
    copy: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "taken"
    folder.mkdir()
    edit(folder, "mine.txt", "mine\n")
    done = run(copy, "cookiecutter", str(folder))
    assert done.returncode == 1
    assert done.stderr == f"{folder} is not empty. Name a new or an empty folder.\n"
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", "-m", "scaffold", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
