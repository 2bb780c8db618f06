"""A release deploys what was planned and nothing else; a retraining starts when there is cause."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.tests.deployments import PROD, Deployment, Open
from conformance.tests.projects import Project


def deliver(deployment: Deployment, verb: str, **variables: str) -> tuple[int, str]:
    """Run `python -m delivery` as the Makefile does; returns exit code and what it said."""
    environment = deployment.databricks.describe_environment()
    done = subprocess.run(
        [sys.executable, "-m", "delivery", verb, deployment.target.name],
        cwd=deployment.project.root,
        env={**environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def succeed(deployment: Deployment, verb: str) -> str:
    code, said = deliver(deployment, verb)
    assert code == 0, said
    return said


def read_job(deployment: Deployment) -> str:
    summary = deployment("summary", "--output", "json").succeed().json
    identifier: str = summary["resources"]["jobs"]["model_training"]["id"]
    return identifier


def read_what_stands(deployment: Deployment) -> dict[str, Any]:
    """Return the workspace's state; the empty folders that a look leaves behind are nothing."""
    state = deployment.workspace.read_state()
    return {kind: found for kind, found in state.items() if kind != "folders"}


@pytest.fixture
def prod(open_target: Open) -> Deployment:
    return open_target(PROD)


def test_what_was_planned_is_released_once(prod: Deployment) -> None:
    before = read_what_stands(prod)
    assert "create jobs.model_training" in succeed(prod, "plan")
    assert read_what_stands(prod) == before
    assert "The plan is unchanged." in succeed(prod, "release")
    assert "0 to add, 0 to change, 0 to delete" in prod.plan()
    released = read_what_stands(prod)
    code, said = deliver(prod, "release")
    assert code == 1
    assert "jobs.model_training: planned create, now skip" in said
    assert read_what_stands(prod) == released


def commit_something(project: Project) -> None:
    project.commit("Something else")


def change_the_wheel(project: Project) -> None:
    (wheel,) = (project.root / "dist").glob("*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")


def lose_the_plan(project: Project) -> None:
    (project.root / "plan" / "prod.json").unlink()


def tear_the_plan(project: Project) -> None:
    (project.root / "plan" / "prod.json").write_text('{"target": "prod"')


def leave_an_edit(project: Project) -> None:
    file = project.root / "resources" / "model_training.job.yml"
    file.write_text(file.read_text() + "# one line more\n")


def detach_the_head(project: Project) -> None:
    subprocess.run(["git", "checkout", "--quiet", "--detach"], cwd=project.root, check=True)


def go_to_main(project: Project) -> None:
    project.switch("main")


def leave_all(project: Project) -> None:
    """Change nothing."""


@pytest.mark.parametrize(
    ("change", "variables", "says"),
    [
        (commit_something, {}, "commit: planned "),
        (change_the_wheel, {}, "wheel: planned "),
        (lose_the_plan, {}, "Run: make plan TARGET=prod"),
        (tear_the_plan, {}, "cannot be read"),
        (leave_an_edit, {}, "There are uncommitted changes"),
        (detach_the_head, {}, "checked out is no branch"),
        (go_to_main, {}, "'release'; checked out is 'main'"),
        (
            leave_all,
            {"BUNDLE_VAR_notification_email": "else@example.com"},
            "jobs.model_training: another create",
        ),
    ],
)
def test_another_checkout_than_planned_is_not_released(
    planned: Deployment,
    tmp_path: Path,
    change: Callable[[Project], None],
    variables: dict[str, str],
    says: str,
) -> None:
    checkout = planned.check_out_again(tmp_path / "checkout")
    change(checkout.project)
    before = read_what_stands(checkout)
    code, said = deliver(checkout, "release", **variables)
    assert code == 1
    assert says in said
    assert read_what_stands(checkout) == before


@pytest.fixture(scope="module")
def planned(open_target: Open) -> Deployment:
    """Return a release of prod that is planned and not made; not to be changed."""
    planned = open_target(PROD)
    succeed(planned, "plan")
    return planned


def change_a_job_by_hand(prod: Deployment) -> None:
    settings = {"job_id": int(read_job(prod)), "new_settings": {"name": "by hand"}}
    prod.databricks("jobs", "reset", "--json", json.dumps(settings)).succeed()


def deploy_meanwhile(prod: Deployment) -> None:
    prod.deploy("--var", "as_of=2013-02-01").succeed()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (change_a_job_by_hand, "jobs.model_training: planned skip, now update"),
        (deploy_meanwhile, "state: planned "),
    ],
)
def test_a_workspace_that_moved_since_the_plan_is_not_released_to(
    prod: Deployment, change: Callable[[Deployment], None], says: str
) -> None:
    prod.deploy().succeed()
    succeed(prod, "plan")
    change(prod)
    before = read_what_stands(prod)
    code, said = deliver(prod, "release")
    assert code == 1
    assert says in said
    assert read_what_stands(prod) == before


def test_a_target_that_is_not_there_is_named(prod: Deployment) -> None:
    (prod.project.root / "databricks.yml").write_text("bundle: {name: other}\n")
    code, said = deliver(prod, "plan")
    assert code == 1
    assert "delivery: `databricks bundle plan -t prod` ended with exit code 1." in said


def test_a_training_waits_for_its_first_features(prod: Deployment) -> None:
    code, said = deliver(prod, "retrain")
    assert code == 1
    assert "model_training is not deployed to prod: deploy first." in said
    prod.deploy().succeed()
    assert "Next: databricks bundle run feature_refresh -t prod" in succeed(prod, "retrain")
    runs = ("jobs", "list-runs", "--output", "json")
    assert prod.databricks(*runs).succeed().json == []
    # The fake workspace does not show the tasks of a run, nor so what it was run from.
    prod("run", "model_training", "--no-wait").succeed()
    assert "is started: its last run names no commit." in succeed(prod, "retrain")
    assert len(prod.databricks(*runs).succeed().json) == 2
