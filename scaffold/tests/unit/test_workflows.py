"""Workflows of GitHub hold no more rights than they need, and run what is pinned."""

import re
from pathlib import Path

import pytest
import yaml

from scaffold.tests.pipelines import MAIN, MONOREPO, NAME, RELEASE, WORKFLOWS

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


@each_workflow
def test_a_workflow_starts_without_rights_and_gives_each_job_the_least(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    assert not {"pull_request_target", "workflow_run"} & set(workflow[True])
    for job in workflow["jobs"].values():
        assert job["permissions"] in (
            {"contents": "read"},
            {"contents": "read", "id-token": "write"},
            {"pull-requests": "write"},
            {"issues": "write"},
        )


def test_workflows_start_on_their_own_occasion_and_on_no_other() -> None:
    started = {}
    for path in WORKFLOWS:
        events = yaml.safe_load(path.read_text())[True]
        started[path.stem.rpartition(".")[2]] = {event: on or {} for event, on in events.items()}
    assert started == {
        "pull_request": {"pull_request": filter_paths()},
        "staging": {
            "push": {"branches": [MAIN], **filter_paths()},
            "schedule": [{"cron": "17 2 * * *"}],
        },
        "release": {"push": {"branches": [RELEASE], **filter_paths()}},
    }


def filter_paths() -> dict[str, list[str]]:
    paths = [f"{NAME}/**", f".github/workflows/{NAME}.*.yml"]
    return {"paths": paths} if MONOREPO else {}


def test_no_two_workflows_have_one_name() -> None:
    names = [yaml.safe_load(path.read_text())["name"] for path in WORKFLOWS]
    assert len(set(names)) == len(names)
    assert all(name.startswith(f"{NAME}: ") for name in names)


@each_workflow
def test_actions_are_pinned_and_say_their_version(path: Path) -> None:
    uses = re.findall(r"uses: (.*)", path.read_text())
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [use for use in uses if not pinned.fullmatch(use)] == []


@each_workflow
def test_code_is_checked_out_without_credentials_and_never_where_a_job_writes(path: Path) -> None:
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        checkouts = [s for s in job["steps"] if s.get("uses", "").startswith("actions/checkout")]
        assert all(step["with"]["persist-credentials"] is False for step in checkouts)
        assert bool(checkouts) is ("contents" in job["permissions"])
