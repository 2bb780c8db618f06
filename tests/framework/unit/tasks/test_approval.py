"""All code that moves the alias Champion checks approval; no parameter disables the check."""

import ast
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from flight_delays.promotion.approval import APPROVAL_TAG
from flight_delays.tasks.approval import VersionParameters
from flight_delays.tasks.parameters import ParameterError

from tests.declared import ROOT
from tests.framework.unit.tasks.test_parameters import list_wheel_tasks

SOURCES = ROOT / "src" / "flight_delays"
# The only function that sets the alias Champion; deploy calls it after `hold`.
MOVERS = {("tasks/deploy.py", "make_champion")}
ENVIRONMENT = "--environment=${bundle.target}"


def read_jobs() -> dict[str, Any]:
    jobs: dict[str, Any] = {}
    for path in sorted((ROOT / "resources").glob("*.job.yml")):
        declared = yaml.safe_load(path.read_text())
        jobs |= declared.get("resources", {}).get("jobs", {})
    return jobs


def list_calls(path: Path) -> list[tuple[str, str, list[str]]]:
    """Return name, calling function and argument names of each call in a module."""
    return [
        (
            ast.unparse(call.func).rpartition(".")[2],
            function.name,
            [ast.unparse(argument) for argument in call.args],
        )
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
    ]


def test_only_deploy_makes_a_version_the_champion() -> None:
    found, low_level = set(), set()
    for path in SOURCES.rglob("*.py"):
        name = path.relative_to(SOURCES).as_posix()
        for call, function, arguments in list_calls(path):
            if call == "set_alias" and "CHAMPION" in arguments:
                found.add((name, function))
            if call == "set_registered_model_alias":
                low_level.add((name, function))
    assert found == MOVERS
    assert low_level == {("lakehouse/registry.py", "set_alias")}


def test_each_task_that_promotes_or_links_knows_its_target_and_no_run_changes_it() -> None:
    told = [
        task["parameters"]
        for task in list_wheel_tasks(read_jobs())
        if task["entry_point"] in ("deploy", "train")
    ]
    assert len(told) == 3
    for parameters in told:
        assert [each for each in parameters if each.startswith("--environment")] == [ENVIRONMENT]


def test_deployment_job_is_as_databricks_asks() -> None:
    job = read_jobs()["deployment"]
    assert [each["name"] for each in job["parameters"]] == ["model_name", "model_version"]
    assert job["max_concurrent_runs"] == 1
    tasks = job["tasks"]
    assert [task["task_key"] for task in tasks] == ["evaluation", APPROVAL_TAG, "deployment"]
    for before, task in pairwise(tasks):
        assert task["depends_on"] == [{"task_key": before["task_key"]}]
    for task in tasks:
        assert task["max_retries"] == 0
        assert task["disable_auto_optimization"] is True
    assert job["timeout_seconds"] >= sum(task["timeout_seconds"] for task in tasks)


@pytest.mark.parametrize("version", ["", "0", "-1", "latest", "1.5"])
def test_version_is_a_number(version: str) -> None:
    with pytest.raises(ParameterError, match="'model_version'"):
        VersionParameters.parse(["--model_name=a.b.c", f"--model_version={version}"])


def test_job_that_was_started_without_its_parameters_says_which() -> None:
    with pytest.raises(ParameterError, match="'model_name' is ''"):
        VersionParameters.parse(["--model_name=", "--model_version=1"])
