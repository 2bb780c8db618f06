"""What each choice of an option leaves of a project, and that nothing points to the rest."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from scaffold.tests.repositories import Engine, read_project

GITHUB = {
    ".github/dependabot.yml",
    ".github/workflows/pull_request.yml",
    ".github/workflows/release.yml",
    ".github/workflows/staging.yml",
    "tests/test_workflows.py",
}
AZURE = {"azure-pipelines.yml"}
GITLAB = {".gitlab-ci.yml"}
TESTS = {"tests/pipelines.py", "tests/test_pipelines.py"}
# What a render of each choice has not, of all that there is.
LEFT_OUT = {
    "github": AZURE | GITLAB,
    "azure": GITHUB | GITLAB,
    "gitlab": GITHUB | AZURE,
    "none": GITHUB | AZURE | GITLAB | TESTS,
    "all": set[str](),
}
# The only other files in which a choice shows; beside them, the record.
CHANGED = {".template-answers.json", "Makefile", "docs/cicd.md"}
WORDS = {
    "github": re.compile(r"(?i)github|\bgh |zizmor|dependabot"),
    "azure": re.compile(r"(?i)azure|\baz |BUILD_SOURCEBRANCH"),
    "gitlab": re.compile(r"(?i)gitlab|\bglab |CI_COMMIT_BRANCH"),
}
LINTERS = {"github": 3, "azure": 1, "gitlab": 1, "none": 0, "all": 5}
MARKER = re.compile(rb"\[(option\b.*|else|end)\]( -->)?$", re.MULTILINE)

each_choice = pytest.mark.parametrize("choice", LEFT_OUT)
Choose = Callable[[str], Path]


@pytest.fixture(scope="session")
def choose(bundle: Engine, tmp_path_factory: pytest.TempPathFactory) -> Choose:
    """Makes the project of a choice, once for all tests; not to be changed."""

    @cache
    def choose_one(choice: str) -> Path:
        answers = {"project_name": "zoo", "ci_platform": choice}
        return bundle.make(tmp_path_factory.mktemp(choice), answers)

    return choose_one


def read_documents(project: Path) -> dict[str, str]:
    """Returns what speaks of CI: documents and Makefile, less what is verbatim in each project."""
    paths = [*project.glob("*.md"), *project.glob("docs/*.md"), project / "Makefile"]
    return {path.relative_to(project).as_posix(): path.read_text() for path in paths}


@each_choice
def test_a_choice_has_its_files_and_shows_in_few_others(choose: Choose, choice: str) -> None:
    whole, made = read_project(choose("all")), read_project(choose(choice))
    assert whole.keys() - made.keys() == LEFT_OUT[choice]
    assert made.keys() - whole.keys() == set()
    changed = {path for path in made if made[path] != whole[path]}
    expected = {"all": set(), "none": CHANGED | {"AGENTS.md"}}.get(choice, CHANGED)
    assert changed == expected


@each_choice
def test_both_engines_make_the_same_of_a_choice_and_no_empty_folder(
    choose: Choose, cookiecutter: Engine, tmp_path: Path, choice: str
) -> None:
    one = choose(choice)
    other = cookiecutter.make(tmp_path, {"project_name": "zoo", "ci_platform": choice})
    assert read_project(one) == read_project(other)
    for project in (one, other):
        folders = [path for path in project.rglob("*") if path.is_dir()]
        assert [folder for folder in folders if not any(folder.iterdir())] == []


@each_choice
def test_no_marker_is_left_and_no_gap_where_it_stood(choose: Choose, choice: str) -> None:
    project = choose(choice)
    for path, (content, _) in read_project(project).items():
        if not path.endswith(".py"):
            assert MARKER.findall(content) == [], path
    for path, text in read_documents(project).items():
        assert "\n\n\n" not in text, path
        assert not text.endswith("\n\n"), path
        assert "<!--" not in text, path


@each_choice
def test_nothing_speaks_of_a_platform_that_was_not_chosen(choose: Choose, choice: str) -> None:
    project = choose(choice)
    documents = read_documents(project)
    for platform, words in WORDS.items():
        spoken = {path for path, text in documents.items() if words.search(text)}
        assert spoken == ({"Makefile", "docs/cicd.md"} if choice in (platform, "all") else set())
    for path, text in documents.items():
        links = [one for one in re.findall(r"\]\(([^)#]+)", text) if "://" not in one]
        assert [one for one in links if not (project / path).parent.joinpath(one).exists()] == []
        assert [one for one in LEFT_OUT[choice] if one in text] == [], path


@each_choice
def test_ruff_and_the_linters_of_what_ci_reads_find_nothing(choose: Choose, choice: str) -> None:
    project = choose(choice)
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (project / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    commands = re.findall(r"\t@\$\(RUN\) (.*)\n", recipe.group(1))
    # Types are those of the root, whatever the choice.
    commands = [command for command in commands if not command.startswith("mypy")]
    assert len(commands) == 2 + LINTERS[choice]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=project,
            env={**os.environ, "PATH": path, "RUFF_NO_CACHE": "true"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, shlex.quote(command) + done.stdout + done.stderr


@pytest.mark.parametrize("choice", ["github", "azure", "gitlab"])
def test_tests_of_pipelines_pass_with_one_platform(choose: Choose, choice: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_pipelines.py"],
        cwd=choose(choice),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed in", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("answer", ["jenkins", "", "GitHub"])
def test_another_platform_is_refused_with_those_there_are(
    engine: Engine, tmp_path: Path, answer: str
) -> None:
    done = engine.run(tmp_path, {"project_name": "zoo", "ci_platform": answer})
    said = done.stdout + done.stderr
    assert done.returncode != 0
    for allowed in ("ci_platform", "github", "azure", "gitlab", "none"):
        assert allowed in said
    assert read_project(tmp_path) == {}
