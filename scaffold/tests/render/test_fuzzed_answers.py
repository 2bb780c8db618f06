"""Five hundred answer files: each is refused and said why, or makes a sound project."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conformance.tests.commands import Databricks
from conformance.tests.deployments import TARGETS
from conformance.tests.workspaces import Workspace
from scaffold.refusals import list_clashes
from scaffold.tests.installed_projects import commit_project
from scaffold.tests.invalid_answers import INVALID, list_answer_files
from scaffold.tests.invariants import Oracle, list_flaws
from scaffold.tests.rendering import Answers, Renderer
from scaffold.tests.repositories import Engine
from scaffold.tests.shapes import MANIFEST, PAIRS
from scaffold.trees import compare, read_folder, write_tree

TEXTS = [name for name, question in MANIFEST.questions.items() if not question.choices]
OTHER_BRANCH = "another-than-any-answer"
HOST = re.compile(r"(?<=host: )\S+")


@pytest.fixture(scope="module")
def files() -> list[Answers]:
    return list_answer_files(500)


@pytest.fixture(scope="module")
def accepted(files: list[Answers], renderer: Renderer) -> list[Answers]:
    """The answer files that a project can be made of."""
    return [answers for answers in files if not renderer.list_complaints(answers)]


@pytest.mark.nightly
def test_there_are_enough_answer_files_of_each_kind(
    files: list[Answers], accepted: list[Answers]
) -> None:
    assert len(files) == 500
    assert 200 <= len(accepted) <= 400
    # Hypothesis repeats constants of loaded modules: how many depends on what ran before.
    assert len({answers["project_name"] for answers in accepted}) > 25


@pytest.mark.nightly
def test_what_is_accepted_makes_a_sound_project(
    accepted: list[Answers], renderer: Renderer
) -> None:
    oracle = Oracle(renderer)
    for answers in accepted:
        tree = renderer.render(answers)
        assert list_flaws(tree, answers) == [], answers
        assert oracle.list_differences(tree, answers) == [], answers


@pytest.mark.parametrize("question", TEXTS)
def test_a_hostile_text_is_refused_or_stands_where_it_should(
    renderer: Renderer, question: str
) -> None:
    oracle = Oracle(renderer)
    sound = 0
    for text in INVALID:
        answers = renderer.complete({"project_name": "zoo", **PAIRS[0], question: text})
        if not renderer.list_complaints(answers):
            sound += 1
            tree = renderer.render(answers)
            assert list_flaws(tree, answers) == [], text
            assert oracle.list_differences(tree, answers) == [], text
    assert 0 < sound < len(INVALID)


@pytest.mark.nightly
def test_formatter_and_linter_find_nothing_to_do_in_what_is_accepted(
    accepted: list[Answers], renderer: Renderer, tmp_path: Path
) -> None:
    # No other answer stands in Python.
    varied = ("project_name", *MANIFEST.options)
    different = {tuple(answers[one] for one in varied): answers for answers in accepted}
    for number, answers in enumerate(different.values()):
        tree = renderer.render(answers)
        linted = {
            path: file for path, file in tree.items() if path.endswith((".py", "pyproject.toml"))
        }
        write_tree(linted, tmp_path / str(number))
    for command in (["format", "--check", "--quiet"], ["check", "--quiet"]):
        done = run([sys.executable, "-m", "ruff", *command, "--no-cache", "."], tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.nightly
def test_the_cli_accepts_and_refuses_the_same_and_says_what_is_allowed(
    files: list[Answers],
    accepted: list[Answers],
    renderer: Renderer,
    bundle: Engine,
    tmp_path: Path,
) -> None:
    typed = [renderer.complete({question: text}) for question in TEXTS for text in INVALID]
    # One for each reason that there is.
    refused: dict[tuple[str, ...], Answers] = {}
    for answers in (*files, *typed):
        complaints = renderer.list_complaints(answers)
        if len(complaints) == 1:
            refused.setdefault(complaints[0], answers)
    assert {(one.message,) for one in renderer.refusals} <= refused.keys()
    assert {(one.message,) for one in list_clashes(MANIFEST)} <= refused.keys()
    assert len(refused) >= len(MANIFEST.questions)
    for number, (complaint, answers) in enumerate(refused.items()):
        folder = tmp_path / f"refused{number}"
        done = bundle.run(folder, answers)
        assert done.returncode != 0, answers
        assert [text for text in complaint if text not in done.stderr] == [], done.stderr
        assert read_folder(folder) == {}
    for number, answers in enumerate(pick(accepted, 15)):
        folder = tmp_path / f"accepted{number}"
        done = bundle.run(folder, answers)
        assert done.returncode == 0, (answers, done.stderr)
        assert compare(renderer.render(answers), read_folder(folder)) == []


def pick(files: list[Answers], number: int) -> list[Answers]:
    """Return some of the files, from all over."""
    return files[:: len(files) // number][:number]


@pytest.mark.nightly
def test_each_target_of_what_is_accepted_is_valid_without_a_warning(
    accepted: list[Answers], renderer: Renderer, bundle: Engine, url: str, tmp_path: Path
) -> None:
    for number, answers in enumerate(pick(accepted, 60)):
        folder = tmp_path / str(number)
        write_tree(renderer.render(answers), folder)
        described = folder / answers["project_name"] / "databricks.yml"
        described.write_text(HOST.sub(url, described.read_text()))
        project = commit_project(folder, answers)
        # A wheel is looked for, not into.
        (project.root / "dist").mkdir()
        (project.root / "dist" / f"{answers['project_name']}-0.1.0-py3-none-any.whl").touch()
        declared = yaml.safe_load(described.read_text())["targets"]
        for target in TARGETS:
            project.switch(declared[target.name].get("git", {"branch": OTHER_BRANCH})["branch"])
            databricks = Databricks(
                bundle.program,
                tmp_path,
                project.root,
                Workspace(url, f"fuzz-{number}"),
                target.identity,
                {name: value for name, value in target.variables.items() if name != "readers"},
            )
            done = databricks("bundle", "validate", "--strict", "--target", target.name).succeed()
            assert done.out.endswith("Validation OK!\n"), answers
            assert done.err == "", answers
