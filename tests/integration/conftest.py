"""A deployed target, accessed by the CLI and the workspace's REST API."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors.base import DatabricksError

from flight_delays.promotion.decide import CHAMPION

from .runs import Runs, read_runs
from delivery.commands import (
    PROJECT,
    DeliveryError,
    open_workspace,
    read_bundle,
    run_statement,
)
from delivery.results import Result, write_results

REPORT = PROJECT / "reports" / "integration.md"
RUNS = PROJECT / "reports" / "runs.json"
DEPLOYMENT = pytest.StashKey["Deployment"]()
FIGURES = pytest.StashKey[dict[str, str]]()
GOING_ON = pytest.StashKey[Runs]()
MEASURED = pytest.StashKey[list[Result]]()
STARTED = pytest.StashKey[float]()


@dataclass(frozen=True)
class Deployment:
    """The resources that the bundle has deployed to a target."""

    target: str
    workspace: WorkspaceClient
    jobs: dict[str, int]
    model: str
    source: str
    schema: str
    parameters: dict[str, str]

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Return the rows of a statement, with values as text."""
        return run_statement(self.workspace, statement)

    def champion(self) -> int:
        """Return the Champion's version."""
        found = self.workspace.model_versions.get_by_alias(self.model, CHAMPION)
        assert found.version is not None
        return found.version

    def newest(self) -> int:
        """Return the latest version; 0 if there is none."""
        versions = self.workspace.model_versions.list(self.model)
        return max((v.version for v in versions if v.version is not None), default=0)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--target", required=True, help="a target of databricks.yml, deployed")
    parser.addoption("--minutes", type=float, help="leave a run that goes on after so long")
    parser.addoption(
        "--resume", action="store_true", help="wait for the runs left by an earlier call"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = {}
    config.stash[MEASURED] = []
    config.stash[STARTED] = time.monotonic()


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> dict[str, str]:
    """Figures of the report."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> list[Result]:
    """Measurements for the table of test results."""
    return pytestconfig.stash[MEASURED]


@pytest.fixture(scope="session")
def deployment(pytestconfig: pytest.Config) -> Deployment:
    """The target, with the model and schema of its batch job."""
    target = pytestconfig.getoption("--target")
    summary = read_bundle("summary", target=target)
    deployed = summary["resources"]["jobs"].items()
    jobs = {key: int(job["id"]) for key, job in deployed if job.get("id")}
    assert "batch_inference" in jobs, f"Not deployed: databricks bundle deploy -t {target}"
    workspace = open_workspace(summary)
    settings = workspace.jobs.get(jobs["batch_inference"]).settings
    assert settings is not None
    (task,) = (task for task in settings.tasks or [] if task.task_key == "score")
    assert task.python_wheel_task is not None
    arguments = (each.removeprefix("--") for each in task.python_wheel_task.parameters or [])
    names = dict(name.split("=", 1) for name in arguments)
    parameters = {p.name: p.default for p in settings.parameters or []}
    deployment = Deployment(
        target, workspace, jobs, names["model"], names["source"], names["target"], parameters
    )
    pytestconfig.stash[DEPLOYMENT] = deployment
    return deployment


@pytest.fixture(scope="session")
def runs(pytestconfig: pytest.Config, deployment: Deployment) -> Runs:
    """The runs of the jobs: new ones or, with --resume, those of an earlier session."""
    minutes = pytestconfig.getoption("--minutes")
    until = None if minutes is None else pytestconfig.stash[STARTED] + 60 * minutes
    started = read_runs(RUNS, deployment.target) if pytestconfig.getoption("--resume") else {}
    runs = Runs(deployment.workspace, deployment.target, deployment.jobs, RUNS, until, started)
    pytestconfig.stash[GOING_ON] = runs
    return runs


@pytest.fixture(autouse=True)
def look_only_at_what_is_over(runs: Runs) -> None:
    """Skip the remaining checks if a run is still active."""
    if runs.going_on:
        pytest.skip(runs.going_on)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Append the results to the table of test results, once all runs have ended."""
    config = session.config
    deployment = config.stash.get(DEPLOYMENT, None)
    if deployment is None or is_going_on(config):
        return
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    assert isinstance(reporter, pytest.TerminalReporter)
    run = f"integration-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    results = [*read_checks(reporter), *config.stash[MEASURED]]
    try:
        table = write_results(deployment.workspace, deployment.schema, run, results)
        config.stash[FIGURES]["results"] = f"run {run} in {table}"
    except (DeliveryError, DatabricksError) as error:
        config.stash[FIGURES]["results"] = f"not written: {error}"
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def is_going_on(config: pytest.Config) -> bool:
    """Return whether a run is still active."""
    runs = config.stash.get(GOING_ON, None)
    return bool(runs and runs.going_on)


def read_checks(reporter: pytest.TerminalReporter) -> list[Result]:
    """Return the result of each check, failed ones first."""
    found = []
    for outcome in ("failed", "error", "skipped", "passed"):
        for report in reporter.stats.get(outcome, []):
            name = report.nodeid.rpartition("::test_")[2].replace("_", " ")
            detail = report.longrepr[2] if outcome == "skipped" else report.longreprtext
            shown = "failed" if outcome == "error" else outcome
            found.append(Result("integration", name, shown, report.duration, detail=detail))
    return found


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Write the report: the result of each check, then the figures."""
    checks = read_checks(terminalreporter)
    failed = sum(check.outcome == "failed" for check in checks)
    skipped = sum(check.outcome == "skipped" for check in checks)
    if not checks:
        verdict = "nothing was checked"
    elif failed:
        verdict = f"{failed} of {len(checks)} failed"
    elif is_going_on(config):
        verdict = "not over yet"
    elif skipped:
        verdict = f"{len(checks) - skipped} passed, {skipped} skipped"
    else:
        verdict = f"all {len(checks)} passed"
    lines = [
        f"## Integration on `{config.getoption('--target')}`: {verdict}",
        "",
        "| check | |",
        "|---|---|",
        *(f"| {check.test_name} | {show_outcome(check)} |" for check in checks),
    ]
    if figures := config.stash[FIGURES]:
        lines += ["", "| figure | |", "|---|---|", *(f"| {k} | {v} |" for k, v in figures.items())]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")
    terminalreporter.write_line(f"Report: {Path(REPORT).relative_to(PROJECT)}")


def show_outcome(check: Result) -> str:
    """Return an outcome; if skipped, with the reason."""
    return f"{check.outcome}: {check.detail}" if check.outcome == "skipped" else check.outcome
