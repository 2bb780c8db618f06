"""In a repository of several projects a change is tested by its own project and by no other."""

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.tests.commands import find_program
from scaffold.tests.monorepos import NAMES, WORKFLOWS, Repository, read_yaml, run
from scaffold.tests.repositories import PROGRAMS, add_all


def merge_includes(files: Iterable[Path]) -> dict[str, Any]:
    """Merge files as GitLab does for includes: mappings deeply, of all else the last wins."""

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
    """Return the path filters of all that a project starts on an event."""
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
def test_a_change_of_a_workflow_starts_the_workflows_of_its_project(
    repository: Repository, workflow: str
) -> None:
    path = f".github/workflows/air.{workflow}.yml"
    for name in NAMES:
        (filters,) = find_filters(repository("github"), "github", name, "pull_request")
        assert any(matches("github", one, path) for one in filters) is (name == "air")
        pushed = find_filters(repository("github"), "github", name, "push")
        started = [of for of in pushed if any(matches("github", one, path) for one in of)]
        assert len(started) == (2 if name == "air" else 0)


@pytest.fixture
def written(repository: Repository) -> list[str]:
    """What the documents of a project tell the team to write once for all."""
    text = (repository("all") / "zoo" / "docs" / "monorepo.md").read_text()
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
        "gh": 'read -r line < answers; sed -i 1d answers; test -n "$line" && echo "$line"\n',
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
        timeout=120,
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
