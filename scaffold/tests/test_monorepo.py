"""Three projects in one repository, added one after another, on each platform of CI."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.tests.commands import find_program
from scaffold.tests.repositories import PROGRAMS, Engine, add_all, read_project

# Of one the name begins as another's does.
NAMES = ("air", "zoo", "air_that_has_a_name_of_30_char")
CHOICES = ("github", "azure", "gitlab", "none", "all")
WORKFLOWS = ("pull_request", "release", "staging")
# What a project of a repository of its own has and one beside others has not.
LEFT_OUT = {".github/dependabot.yml", *(f".github/workflows/{name}.yml" for name in WORKFLOWS)}
# The only files of the project in which it shows where it stands.
CHANGED = {
    "github": {"Makefile"},
    "azure": {"azure-pipelines.yml"},
    "gitlab": {".gitlab-ci.yml"},
    "none": set[str](),
    "all": {"Makefile", "azure-pipelines.yml", ".gitlab-ci.yml"},
}

each_choice = pytest.mark.parametrize("choice", CHOICES)
each_name = pytest.mark.parametrize("name", NAMES)
Repository = Callable[[str], Path]
Tree = Mapping[str, tuple[bytes, bool]]


def add_project(engine: Engine, repository: Path, name: str, choice: str) -> None:
    """Adds a project to a repository and checks that nothing of it has changed."""
    before = read_project(repository)
    done = engine.run(repository, {"project_name": name, "ci_platform": choice, "monorepo": "yes"})
    assert done.returncode == 0, done.stdout + done.stderr
    after = read_project(repository)
    assert {path: after.get(path) for path in before} == before


@pytest.fixture(scope="session")
def repository(bundle: Engine, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Gives the repository of three projects with a choice; not to be changed."""

    @cache
    def make_one(choice: str) -> Path:
        made = tmp_path_factory.mktemp(choice)
        (made / "README.md").write_text("Ours.\n")
        for name in NAMES:
            add_project(bundle, made, name, choice)
        add_all(made)
        return made

    return make_one


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": PROGRAMS, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@each_choice
def test_each_project_keeps_to_its_folder_and_to_workflows_of_its_name(
    repository: Repository, bundle: Engine, tmp_path: Path, choice: str
) -> None:
    made = read_project(repository(choice))
    alone = read_project(bundle.make(tmp_path, {"project_name": "zoo", "ci_platform": choice}))
    expected = {"README.md"} | {f"zoo/{path}" for path in alone.keys() - LEFT_OUT}
    if choice in ("github", "all"):
        expected |= {f".github/workflows/{n}.{one}.yml" for n in NAMES for one in WORKFLOWS}
    assert {path for path in made if path.partition("/")[0] not in {"air", NAMES[2]}} == expected
    changed = {path for path in alone if made.get(f"zoo/{path}") not in (alone[path], None)}
    assert changed == CHANGED[choice] | {".template-answers.json", "docs/cicd.md"}
    folders = [path for path in repository(choice).rglob("*") if path.is_dir()]
    assert [f for f in folders if ".git" not in f.parts and not any(f.iterdir())] == []


def test_cookiecutter_adds_the_same(
    repository: Repository, cookiecutter: Engine, tmp_path: Path
) -> None:
    (tmp_path / "README.md").write_text("Ours.\n")
    for name in NAMES:
        add_project(cookiecutter, tmp_path, name, "all")
    assert read_project(tmp_path) == read_project(repository("all"))


def test_a_workflow_that_stands_is_not_overwritten_and_nothing_else_is_written(
    engine: Engine, tmp_path: Path
) -> None:
    standing = tmp_path / ".github" / "workflows" / "zoo.staging.yml"
    standing.parent.mkdir(parents=True)
    standing.write_text("ours\n")
    answers = {"project_name": "zoo", "monorepo": "yes"}
    done = engine.run(tmp_path, answers)
    assert done.returncode != 0
    assert ".github/workflows/zoo.staging.yml" in done.stdout + done.stderr
    assert "already exist" in done.stdout + done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [standing]
    assert not (tmp_path / "zoo").exists()
    # On another platform it is nobody's concern.
    assert engine.run(tmp_path, {**answers, "ci_platform": "gitlab"}).returncode == 0
    assert standing.read_text() == "ours\n"


@pytest.mark.parametrize("choice", ["github", "azure", "all"])
def test_the_next_commands_are_those_of_a_repository_that_stands(
    bundle: Engine, tmp_path: Path, choice: str
) -> None:
    answers = {"project_name": "zoo", "ci_platform": choice, "monorepo": "yes"}
    done = bundle.run(tmp_path, answers)
    added = "zoo" if choice == "azure" else "zoo .github"
    said = f"Next:\n  git add {added} && git commit --message 'Add zoo'\n  cd zoo\n  make demo\n"
    assert said in done.stderr
    assert "git init" not in done.stderr


def test_linters_find_nothing_in_the_workflows_of_all(repository: Repository) -> None:
    made = repository("all")
    program = find_program("actionlint", "run `make actionlint` (needs Go)")
    run([str(program)], made)
    run(["zizmor", "--offline", "--quiet", "--persona", "pedantic", ".github"], made)


@each_name
def test_the_linters_of_a_project_read_its_own_pipelines(repository: Repository, name: str) -> None:
    makefile = (repository("all") / name / "Makefile").read_text()
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    commands = re.findall(r"\t@\$\(RUN\) ((?:zizmor|check-jsonschema) .*)\n", recipe.group(1))
    assert len(commands) == 4
    for command in commands:
        run(["sh", "-c", command], repository("all") / name)
    shown = run(["sh", "-c", f"echo {commands[0]}"], repository("all") / name).split()
    assert shown[-3:] == [f"../.github/workflows/{name}.{one}.yml" for one in WORKFLOWS]


@pytest.mark.parametrize(
    ("choice", "name"),
    [("github", "air"), ("azure", "zoo"), ("gitlab", "zoo"), *(("all", name) for name in NAMES)],
)
def test_tests_of_pipelines_pass_in_each_project(
    repository: Repository, choice: str, name: str
) -> None:
    tests = ["tests/test_pipelines.py"]
    tests += ["tests/test_workflows.py"] if choice in ("github", "all") else []
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    said = run(pytest_command, repository(choice) / name)
    assert re.search(r"^\d+ passed in", said, re.MULTILINE), said


def merge_includes(files: Iterable[Path]) -> dict[str, Any]:
    """Merges files as GitLab does for includes: mappings deeply, of all else the last wins."""

    def merge(one: Any, other: Any) -> Any:
        if isinstance(one, dict) and isinstance(other, dict):
            return {**one, **{k: merge(one[k], v) if k in one else v for k, v in other.items()}}
        return other

    merged: dict[str, Any] = {}
    for path in files:
        merged = merge(merged, read_yaml(path))
    return merged


def list_jobs(pipeline: Mapping[str, Any]) -> dict[str, Any]:
    return {name: job for name, job in pipeline.items() if name[0] != "." and "script" in job}


def test_gitlab_keeps_the_jobs_of_each_project_whole_and_apart(repository: Repository) -> None:
    files = [repository("gitlab") / name / ".gitlab-ci.yml" for name in NAMES]
    merged, own = merge_includes(files), [read_yaml(path) for path in files]
    jobs = [list_jobs(pipeline) for pipeline in own]
    assert list_jobs(merged) == {name: job for each in jobs for name, job in each.items()}
    assert len(list_jobs(merged)) == sum(map(len, jobs)) == 21
    # What is said for all jobs of the repository is said alike, and no job takes from a hidden one.
    common = [
        {k: v for k, v in each.items() if k[0] != "." and k not in list_jobs(each)} for each in own
    ]
    assert common == [{"stages": merged["stages"]}] * 3
    for each in jobs:
        for job in each.values():
            assert set(job.get("needs", ())) <= each.keys()
            assert "extends" not in job
            assert "image" in job
    for key in ("resource_group", "environment"):
        used = [{str(job[key]) for job in each.values() if key in job} for each in jobs]
        assert all(used)
        assert len(set().union(*used)) == sum(map(len, used))


# Patterns of each dialect, as its reference says: what a star stands for.
STARS = {
    "github": {"**": ".*", "*": "[^/]*"},
    "azure": {"**": ".*", "*": ".*"},
    "gitlab": {"**/": "(?:.*/)?", "*": "[^/]*"},
}


def matches(dialect: str, pattern: str, path: str) -> bool:
    stars = STARS[dialect]
    pieces = re.split("(" + "|".join(map(re.escape, stars)) + ")", pattern)
    assert not re.search(r"[?\[\]{}!]", pattern)
    return bool(re.fullmatch("".join(stars.get(one) or re.escape(one) for one in pieces), path))


def find_filters(repository: Path, dialect: str, name: str, event: str) -> list[list[str]]:
    """Returns the path filters of all that a project starts on an event."""
    match dialect:
        case "github":
            files = (repository / ".github" / "workflows").glob(f"{name}.*.yml")
            started = [read_yaml(path)[True] for path in files]
            return [on[event]["paths"] for on in started if event in on]
        case "azure":
            pipeline = read_yaml(repository / name / "azure-pipelines.yml")
            return [pipeline[{"pull_request": "pr", "push": "trigger"}[event]]["paths"]["include"]]
        case _:
            jobs = list_jobs(read_yaml(repository / name / ".gitlab-ci.yml")).values()
            word = {"pull_request": "merge_request_event", "push": "$CI_COMMIT_BRANCH"}[event]
            rules = [rule for job in jobs for rule in job["rules"] if word in rule["if"]]
            return [rule["changes"] for rule in rules]


CHANGES = {
    "a module": ({"air/src/air/problem/model.py"}, {"air"}),
    "a hidden file": ({"air/.gitignore"}, {"air"}),
    "a file of the longer name": ({f"{NAMES[2]}/databricks.yml"}, {NAMES[2]}),
    "files of two": ({"air/README.md", "zoo/Makefile", "README.md"}, {"air", "zoo"}),
    "the root": ({"README.md", ".gitlab-ci.yml", ".github/dependabot.yml"}, set()),
    "a folder that is no project": ({"airport/src/x.py", "docs/air/x.md"}, set()),
    "a workflow of another": ({".github/workflows/ours.yml"}, set()),
}


@pytest.mark.parametrize("dialect", STARS)
@pytest.mark.parametrize("event", ["pull_request", "push"])
@pytest.mark.parametrize(("changed", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_change_starts_all_of_its_project_and_nothing_of_another(
    repository: Repository, dialect: str, event: str, changed: set[str], expected: set[str]
) -> None:
    for name in NAMES:
        filters = find_filters(repository("all"), dialect, name, event)
        assert filters
        started = {
            any(matches(dialect, one, path) for one in of for path in changed) for of in filters
        }
        assert started == {name in expected}, name


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_change_of_a_workflow_is_tested_and_starts_that_workflow(
    repository: Repository, workflow: str
) -> None:
    path = f".github/workflows/air.{workflow}.yml"
    for name in NAMES:
        (filters,) = find_filters(repository("github"), "github", name, "pull_request")
        assert any(matches("github", one, path) for one in filters) is (name == "air")
        pushed = find_filters(repository("github"), "github", name, "push")
        started = [of for of in pushed if any(matches("github", one, path) for one in of)]
        assert len(started) == (name == "air" and workflow != "pull_request")


@pytest.fixture
def written(repository: Repository) -> list[str]:
    """What the documents of a project tell the team to write once for all."""
    text = (repository("all") / "zoo" / "docs" / "cicd.md").read_text()
    return re.findall(r"```yaml\n(.*?)```\n", text, re.DOTALL)


def test_what_the_documents_tell_to_write_once_is_sound(written: list[str], tmp_path: Path) -> None:
    paths = (".github/workflows/projects.yml", ".github/dependabot.yml", ".gitlab-ci.yml")
    for path, text in zip(paths, written, strict=True):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    add_all(tmp_path)
    run([str(find_program("actionlint", "run `make actionlint` (needs Go)"))], tmp_path)
    run(["zizmor", "--offline", "--quiet", "--persona", "pedantic", ".github"], tmp_path)
    for schema, path in zip(("github-workflows", "dependabot", "gitlab-ci"), paths, strict=True):
        run(["check-jsonschema", "--builtin-schema", f"vendor.{schema}", path], tmp_path)


@pytest.mark.parametrize(
    ("answers", "ended"),
    [
        (["2", "1", "0", "0"], 0),
        (["0", "1"], 1),
        (["", "0", ""], 1),
    ],
    ids=["all passed", "one failed", "no answer"],
)
def test_the_one_required_check_waits_and_fails_closed(
    written: list[str], tmp_path: Path, answers: list[str], ended: int
) -> None:
    (step,) = yaml.safe_load(written[0])["jobs"]["wait"]["steps"]
    for name, text in {
        "gh": f'read -r line < answers; sed -i 1d answers; test -n "$line" && echo "$line"\n',
        "sleep": "",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "answers").write_text("".join(f"{one}\n" for one in answers))
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{PROGRAMS}", "COMMIT": "c"},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert done.returncode == ended, done.stderr
    assert (tmp_path / "answers").read_text() == ""


def test_one_file_of_the_repository_includes_every_project_of_gitlab(
    repository: Repository, written: list[str]
) -> None:
    root = yaml.safe_load(written[2])
    (include,) = root.pop("include")
    found = sorted(repository("all").glob(include["local"].lstrip("/")))
    assert [path.parent.name for path in found] == sorted(NAMES)
    merged = merge_includes(found)
    # Of all merge requests it has a job, in a stage that there is, and no project's name.
    (job,) = root.values()
    assert root.keys().isdisjoint(merged)
    assert job["stage"] in merged["stages"]
    assert "changes" not in job["rules"][0]
