"""The repository's README: its commands make a project, and what it lists is what there is."""

import os
import re
import subprocess
from pathlib import Path

from conformance.tests.projects import ROOT
from scaffold.tests.documents import list_commands
from scaffold.tests.rendering import Renderer
from scaffold.tests.repositories import PROGRAMS, Engine
from scaffold.trees import compare, read_folder, read_repository

PAGE = ROOT / "README.md"
PLACEHOLDER = "OWNER/REPOSITORY"


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of each row of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_command_without_a_login_makes_a_project_offline(
    bundle: Engine, renderer: Renderer, tmp_path: Path
) -> None:
    (command,) = [line for line in list_commands(PAGE) if line.startswith("DATABRICKS_HOST=")]
    environment = {
        "PATH": os.pathsep.join((str(bundle.program.parent), PROGRAMS)),
        "HOME": str(bundle.home),
        "TEMPLATE": str(bundle.template),
    }
    done = subprocess.run(
        ["sh", "-euc", command],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert compare(renderer.render({}), read_folder(tmp_path)) == []
    (entered,) = [line for line in list_commands(PAGE) if line.startswith("cd ")]
    assert (tmp_path / entered.removeprefix("cd ")).is_dir()


def test_address_of_a_repository_is_written_once_for_the_template_and_for_a_project() -> None:
    own = Path(__file__).relative_to(ROOT).as_posix()
    texts = {
        path: file.content.decode(errors="ignore")
        for path, file in read_repository(ROOT).items()
        if path != own and not path.startswith("template/")
    }
    found = {path: text.count(PLACEHOLDER) for path, text in texts.items() if PLACEHOLDER in text}
    assert found == {"README.md": 1, "docs/cicd-github.md": 1}


def test_answers_that_are_listed_are_those_that_are_asked(renderer: Renderer) -> None:
    _, _, below = PAGE.read_text().partition("| answer |")
    rows = {cells[0]: cells for cells in rows_of(below.partition("\n\n")[0])}
    listed = {name: cells for head, cells in rows.items() for name in re.findall(r"`(\w+)`", head)}
    questions = renderer.manifest.questions
    assert listed.keys() == questions.keys()
    for name, question in questions.items():
        assert all(f"`{choice}`" in listed[name][1] for choice in question.choices), name


def test_files_that_are_listed_are_those_of_a_project(renderer: Renderer) -> None:
    listed = {name.rstrip("/") for name in re.findall(r"^[├└]── (\S+)", PAGE.read_text(), re.M)}
    made = {path.split("/")[1] for path in renderer.render({})}
    assert listed <= made
    # Dot files aside, and what AGENTS.md stands for.
    assert {name for name in made - listed if not name.startswith(".")} == {"CLAUDE.md"}


def test_each_row_of_the_comparison_has_its_evidence() -> None:
    text = PAGE.read_text()
    _, _, below = text.partition("## Compared with")
    rows = rows_of(below.partition("\n\n[stacks]:")[0])[1:]
    links = dict(re.findall(r"^\[([\w-]+)\]: (\S+)$", text, re.MULTILINE))
    used = set(re.findall(r"\]\[([\w-]+)\]", text))
    assert used == links.keys()
    assert len(rows) >= 12
    assert [row for row in rows if len(row) != 4] == []
    assert [row[0] for row in rows if "[" not in "".join(row[1:])] == []
    # A branch moves; a commit, a tag and a pull request do not.
    assert [url for url in links.values() if "/main/" in url or "/master/" in url] == []
