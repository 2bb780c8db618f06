"""What each choice of an option leaves of a project, and that nothing points to the rest."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from scaffold.tests.repositories import Engine, check_pipelines, read_project

RECORD = ".template-answers.json"
GITHUB = {
    ".github/dependabot.yml",
    ".github/workflows/pull_request.yml",
    ".github/workflows/release.yml",
    ".github/workflows/staging.yml",
    "docs/cicd-github.md",
}
AZURE = {"azure-pipelines.yml", "docs/cicd-azure.md"}
GITLAB = {".gitlab-ci.yml", "docs/cicd-gitlab.md"}
OTHER = {"docs/cicd-other.md"}
# What speaks of endpoints in the roll-out.
SPOKEN = {"docs/rollout.md", "resources/rollout.job.yml", "src/zoo/conf/rollout.yml"}
ENDPOINT = SPOKEN | {
    "docs/rollout-power.svg",
    "docs/serving.md",
    "examples/ask_endpoint.py",
    "loadtest/__main__.py",
    "loadtest/locustfile.py",
    "loadtest/sweep.py",
    "rollout.sh",
    "src/zoo/conf/rollout_small.yml",
    "src/zoo/lakehouse/answers.py",
    "src/zoo/promotion/arms.py",
    "src/zoo/promotion/rollout.py",
    "src/zoo/promotion/sequential.py",
    "src/zoo/reports/rollout_report.py",
    "src/zoo/reports/templates/rollout.html.j2",
    "src/zoo/tasks/rollout.py",
    "src/zoo/tasks/rollout_evidence.py",
    "src/zoo/tasks/rollout_ends.py",
    "tests/integration/test_serving.py",
    "tests/local/test_running_endpoint.py",
}
STREAMS = {
    "docs/streaming.md",
    "resources/checkpoints.volume.yml",
    "resources/stream_inference.job.yml",
    "resources/stream_refresh.job.yml",
    "src/zoo/conf/streaming.yml",
    "src/zoo/config/streaming.py",
    "src/zoo/lakehouse/jdbc.py",
    "src/zoo/lakehouse/streams.py",
    "src/zoo/tasks/jdbc_output.py",
    "src/zoo/tasks/stream_inference.py",
    "src/zoo/tasks/stream_refresh.py",
    "tests/integration/test_streams.py",
    "tests/local/test_running_streams.py",
}
CI = {RECORD, ".pre-commit-config.yaml", "Makefile", "docs/cicd.md"}
SERVING = {
    RECORD,
    "Makefile",
    "README.md",
    "databricks.yml",
    "demo.sh",
    "docs/architecture.md",
    "docs/cicd.md",
    "docs/compute.md",
    "docs/features.md",
    "docs/first-deploy.md",
    "docs/first-steps.md",
    "docs/monitoring.md",
    "docs/outputs.md",
    "docs/with_job_clusters.yml",
    "pyproject.toml",
    "resources/batch_inference.job.yml",
    "resources/deployment.job.yml",
    "resources/feature_refresh.job.yml",
    "resources/model_training.job.yml",
    "resources/stream_refresh.job.yml",
    "src/zoo/conf/outputs.yml",
    "src/zoo/conf/serving.yml",
}
STREAMING = {
    RECORD,
    "README.md",
    "databricks.yml",
    "docs/compute.md",
    "docs/features.md",
    "docs/outputs.md",
    "docs/with_job_clusters.yml",
    "pyproject.toml",
    "resources/batch_inference.job.yml",
    "resources/teardown.job.yml",
    "src/zoo/conf/outputs.yml",
}


@dataclass(frozen=True)
class Effect:
    """Files that a choice leaves out of all there are, changes, and adds."""

    left_out: set[str]
    changed: set[str]
    added: frozenset[str] = frozenset()


# Choices that leave nothing out; each other choice is made beside these. What another place in the
# repository changes is for test_monorepo.py.
WHOLE = {"ci_platform": "all", "serving": "yes", "streaming": "yes"}
EFFECTS = {
    ("ci_platform", "all"): Effect(set(), set()),
    ("ci_platform", "github"): Effect(AZURE | GITLAB, CI),
    ("ci_platform", "azure"): Effect(GITHUB | GITLAB, CI),
    ("ci_platform", "gitlab"): Effect(GITHUB | AZURE, CI),
    ("ci_platform", "none"): Effect(GITHUB | AZURE | GITLAB, CI | {"AGENTS.md"}, frozenset(OTHER)),
    ("serving", "no"): Effect(ENDPOINT, SERVING),
    ("streaming", "no"): Effect(STREAMS, STREAMING),
}


@dataclass(frozen=True)
class Subject:
    """What is spoken of with some choices only, in which texts, and in which anyway."""

    option: str
    choices: set[str]
    words: re.Pattern[str]
    texts: set[str]
    anyway: set[str]


SUBJECTS = (
    Subject(
        "ci_platform",
        {"github", "all"},
        re.compile(r"(?i)github|\bgh |zizmor|dependabot"),
        {".pre-commit-config.yaml", "Makefile", "docs/cicd.md", "docs/cicd-github.md"},
        {"pyproject.toml"},
    ),
    Subject(
        "ci_platform",
        {"azure", "all"},
        re.compile(r"(?i)azure|\baz |BUILD_SOURCEBRANCH"),
        {".pre-commit-config.yaml", "Makefile", "docs/cicd.md", "docs/cicd-azure.md"},
        set(),
    ),
    Subject(
        "ci_platform",
        {"gitlab", "all"},
        re.compile(r"(?i)gitlab|\bglab |CI_COMMIT_BRANCH"),
        {".pre-commit-config.yaml", "Makefile", "docs/cicd.md", "docs/cicd-gitlab.md"},
        set(),
    ),
    Subject(
        "serving",
        {"yes"},
        re.compile(r"(?i)endpoint|\bserv(e|es|ed|ing)\b|online|publish|\bexamples\b"),
        (SERVING | {"docs/serving.md"} | SPOKEN) - {RECORD, "src/zoo/conf/serving.yml"},
        # A message of the gate says how predictions are compared.
        {
            "src/zoo/conf/monitoring.yml",
            "src/zoo/conf/serving.yml",
            "docs/your-problem.md",
        },
    ),
    Subject(
        "streaming",
        {"yes"},
        re.compile(r"(?i)streaming|stream_|kafka|checkpoint|jdbc|--group streams"),
        (STREAMING | {path for path in STREAMS if not path.endswith(".py")}) - {RECORD},
        # Its packages are asked for by name alone.
        {"pyproject.toml"},
    ),
)
LINTERS = {"github": 3, "azure": 1, "gitlab": 1, "none": 0}
PYTHON = re.compile(r"^```python\n.*?^```\n", re.MULTILINE | re.DOTALL)
MARKER = re.compile(rb"\[(option\b.*|root|else|end)\]( -->)?$", re.MULTILINE)

# The same tests once more, over another project; each takes a process.
NIGHTLY = pytest.mark.nightly
each_choice = pytest.mark.parametrize(("option", "choice"), EFFECTS)
Choose = Callable[[str, str], Path]


def answer(option: str, choice: str) -> dict[str, str]:
    """Return the answers of a project that lacks nothing but what a choice leaves out."""
    return {"project_name": "zoo", **WHOLE, option: choice}


@pytest.fixture(scope="session")
def choose(bundle: Engine, tmp_path_factory: pytest.TempPathFactory) -> Choose:
    """Make the project of a choice, once for all tests; not to be changed."""

    @cache
    def choose_one(option: str, choice: str) -> Path:
        return bundle.make(tmp_path_factory.mktemp(choice), answer(option, choice))

    return choose_one


def read_texts(project: Path, *more: str) -> dict[str, str]:
    """Return documents and Makefile, and more, less what is verbatim in each project."""
    patterns = ("*.md", "docs/*.md", "docs/*.yml", "Makefile", *more)
    paths = [path for pattern in patterns for path in project.glob(pattern)]
    return {path.relative_to(project).as_posix(): path.read_text() for path in paths}


@each_choice
def test_a_choice_has_its_files_and_shows_in_few_others(
    choose: Choose, option: str, choice: str
) -> None:
    whole, made = read_project(choose("ci_platform", "all")), read_project(choose(option, choice))
    assert whole.keys() - made.keys() == EFFECTS[option, choice].left_out
    assert made.keys() - whole.keys() == EFFECTS[option, choice].added
    common = made.keys() & whole.keys()
    assert {path for path in common if made[path] != whole[path]} == EFFECTS[option, choice].changed


@each_choice
def test_both_engines_make_the_same_of_a_choice_and_no_empty_folder(
    choose: Choose, cookiecutter: Engine, tmp_path: Path, option: str, choice: str
) -> None:
    one = choose(option, choice)
    other = cookiecutter.make(tmp_path, answer(option, choice))
    assert read_project(one) == read_project(other)
    for project in (one, other):
        folders = [path for path in project.rglob("*") if path.is_dir()]
        assert [folder for folder in folders if not any(folder.iterdir())] == []


@each_choice
def test_no_marker_is_left_and_no_gap_where_it_stood(
    choose: Choose, option: str, choice: str
) -> None:
    project = choose(option, choice)
    for path, (content, _) in read_project(project).items():
        if not path.endswith(".py"):
            assert MARKER.findall(content) == [], path
    for path, text in read_texts(project, "*.sh", "*.yml", "*.toml", "resources/*").items():
        # Code that a page shows has gaps of its own.
        assert "\n\n\n" not in PYTHON.sub("code\n", text), path
        assert not text.endswith("\n\n"), path
        assert "<!--" not in text, path


@each_choice
def test_nothing_speaks_of_what_was_not_chosen(choose: Choose, option: str, choice: str) -> None:
    project = choose(option, choice)
    files = (
        ".pre-commit-config.yaml",
        "databricks.yml",
        "demo.sh",
        "pyproject.toml",
        "resources/*",
        "src/zoo/conf/*",
    )
    texts = read_texts(project, *files)
    for subject in SUBJECTS:
        chosen = answer(option, choice)[subject.option] in subject.choices
        spoken = {path for path, text in texts.items() if subject.words.search(text)}
        # Of what another choice has left out nothing is said.
        expected = (subject.anyway | (subject.texts if chosen else set())) & texts.keys()
        assert spoken == expected, subject
    for path, text in texts.items():
        links = [one for one in re.findall(r"\]\(([^)#]+)", text) if "://" not in one]
        assert [one for one in links if not (project / path).parent.joinpath(one).exists()] == []
        assert [one for one in EFFECTS[option, choice].left_out if one in text] == [], path


@each_choice
def test_ruff_and_the_linters_of_what_ci_reads_find_nothing(
    choose: Choose, option: str, choice: str
) -> None:
    project = choose(option, choice)
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (project / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    commands = re.findall(r"\t@\$\(RUN\) (.*)\n", recipe.group(1))
    # Types and imports are those of the root, whatever the choice.
    commands = [one for one in commands if not one.startswith(("mypy", "lint-imports"))]
    assert len(commands) == 2 + LINTERS.get(choice, sum(LINTERS.values()))
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


@pytest.mark.parametrize(
    "choice", ["github", *(pytest.param(one, marks=NIGHTLY) for one in ("azure", "gitlab"))]
)
def test_tests_of_pipelines_pass_with_one_platform(choose: Choose, choice: str) -> None:
    check_pipelines(choose("ci_platform", choice), "unit/test_pipelines.py")


@pytest.mark.parametrize(
    ("option", "choice", "allowed"),
    [
        ("ci_platform", "jenkins", ("github", "azure", "gitlab", "none")),
        ("ci_platform", "", ("github", "azure", "gitlab", "none")),
        ("ci_platform", "GitHub", ("github", "azure", "gitlab", "none")),
        ("serving", "maybe", ("yes", "no")),
        ("serving", "true", ("yes", "no")),
        ("monorepo", "true", ("yes", "no")),
        ("streaming", "true", ("yes", "no")),
    ],
)
def test_another_choice_is_refused_with_those_there_are(
    engine: Engine, tmp_path: Path, option: str, choice: str, allowed: tuple[str, ...]
) -> None:
    done = engine.run(tmp_path, {"project_name": "zoo", option: choice})
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert option in said
    for other in allowed:
        assert re.search(rf"\b{other}\b", said), said
    assert read_project(tmp_path) == {}
