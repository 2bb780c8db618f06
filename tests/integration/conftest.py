"""One deployed target, reached as anyone reaches it: the CLI and the workspace's REST API."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.sql import StatementState

from flight_delays.promotion.decide import CHAMPION

from .runs import Runs, read_runs
from delivery.commands import PROJECT, open_workspace, read_bundle

WAREHOUSE_SECONDS = 600
WAITING = (StatementState.PENDING, StatementState.RUNNING)
REPORT = PROJECT / "reports" / "integration.md"
RUNS = PROJECT / "reports" / "runs.json"
FIGURES = pytest.StashKey[dict[str, str]]()
STARTED = pytest.StashKey[float]()


@dataclass(frozen=True)
class Deployment:
    """What the bundle has deployed to a target."""

    target: str
    workspace: WorkspaceClient
    jobs: dict[str, int]
    model: str
    source: str
    schema: str
    parameters: dict[str, str]

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Return the rows that a statement gives; values come as text."""
        statements = self.workspace.statement_execution
        answer = statements.execute_statement(statement, self._warehouse(), wait_timeout="50s")
        # A warehouse that has to start first takes minutes.
        until = time.monotonic() + WAREHOUSE_SECONDS
        while (state := answer.status and answer.status.state) in WAITING:
            assert time.monotonic() < until, f"The warehouse did not answer: {answer.status}"
            time.sleep(5)
            answer = statements.get_statement(answer.statement_id or "")
        assert state == StatementState.SUCCEEDED, answer.status
        assert answer.manifest is not None
        assert answer.manifest.schema is not None
        names = [column.name or "" for column in answer.manifest.schema.columns or []]
        rows = (answer.result.data_array if answer.result else None) or []
        return [dict(zip(names, row, strict=True)) for row in rows]

    def champion(self) -> int:
        """Return the Champion's version."""
        found = self.workspace.model_versions.get_by_alias(self.model, CHAMPION)
        assert found.version is not None
        return found.version

    def newest(self) -> int:
        """Return the latest version; 0 where there is none."""
        versions = self.workspace.model_versions.list(self.model)
        return max((v.version for v in versions if v.version is not None), default=0)

    def _warehouse(self) -> str:
        named = self.workspace.config.warehouse_id
        ids = [named] if named else [w.id for w in self.workspace.warehouses.list() if w.id]
        assert ids, "No SQL warehouse may be used here. Name one in DATABRICKS_WAREHOUSE_ID."
        return ids[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--target", required=True, help="a target of databricks.yml, deployed")
    parser.addoption("--minutes", type=float, help="leave a run that goes on after so long")
    parser.addoption(
        "--resume", action="store_true", help="wait for the runs left by an earlier call"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = {}
    config.stash[STARTED] = time.monotonic()


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> dict[str, str]:
    """What the report shows beside the checks."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="session")
def deployment(pytestconfig: pytest.Config) -> Deployment:
    """The target, with the names that its batch job works on."""
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
    told = (told.removeprefix("--") for told in task.python_wheel_task.parameters or [])
    names = dict(name.split("=", 1) for name in told)
    parameters = {p.name: p.default for p in settings.parameters or []}
    return Deployment(
        target, workspace, jobs, names["model"], names["source"], names["target"], parameters
    )


@pytest.fixture(scope="session")
def runs(pytestconfig: pytest.Config, deployment: Deployment) -> Runs:
    """The runs of the jobs: new ones, or those of an earlier call."""
    minutes = pytestconfig.getoption("--minutes")
    until = None if minutes is None else pytestconfig.stash[STARTED] + 60 * minutes
    started = read_runs(RUNS, deployment.target) if pytestconfig.getoption("--resume") else {}
    return Runs(deployment.workspace, deployment.target, deployment.jobs, RUNS, until, started)


@pytest.fixture(autouse=True)
def look_only_at_what_is_over(runs: Runs) -> None:
    """Skip every check once a run was left that goes on."""
    if runs.going_on:
        pytest.skip(runs.going_on)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Write the report: each check and what came of it, then the figures."""
    checks = [
        (report.nodeid.rpartition("::test_")[2].replace("_", " "), outcome)
        for outcome in ("failed", "error", "skipped", "passed")
        for report in terminalreporter.stats.get(outcome, [])
    ]
    failed = sum(outcome in ("failed", "error") for _, outcome in checks)
    if not checks:
        verdict = "nothing was checked"
    elif failed:
        verdict = f"{failed} of {len(checks)} failed"
    elif any(outcome == "skipped" for _, outcome in checks):
        verdict = "not over yet"
    else:
        verdict = f"all {len(checks)} passed"
    lines = [
        f"## Integration on `{config.getoption('--target')}`: {verdict}",
        "",
        "| check | |",
        "|---|---|",
        *(f"| {check} | {outcome} |" for check, outcome in checks),
    ]
    if figures := config.stash[FIGURES]:
        lines += ["", "| figure | |", "|---|---|", *(f"| {k} | {v} |" for k, v in figures.items())]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")
    terminalreporter.write_line(f"Report: {Path(REPORT).relative_to(PROJECT)}")
