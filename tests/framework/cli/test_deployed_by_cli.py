"""Deploy and run this repository's bundle with the unmodified `databricks` CLI."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import Route, ServedEntityInput, TrafficConfig
from laptop import connection
from laptop.state_dir import StateDir

from flight_delays.config.serving import load_serving
from flight_delays.lakehouse.endpoint import endpoint_name

from tests import declared
from tests.declared import ROOT, branch_of, catalog_of
from tests.integration.runs import read_runs, write_runs

SCHEMA = f"{catalog_of('test')}.pr_17{declared.SCHEMA}"
MODEL = f"{SCHEMA}.pr_17model"
ENDPOINT = endpoint_name(MODEL)
# Whether the project has an endpoint.
ASKED_FOR = load_serving().endpoint

SERVING = "src/flight_delays/conf/serving.yml"
GENEROUS = "p95_limit_ms: 60000"
# Folders of the uv and the CLI installed by `make`, and of the uv that runs the tests.
BROUGHT = [str(ROOT / ".tools" / "bin"), str(Path(os.environ.get("UV", "")).parent)]
PATH = os.pathsep.join([os.environ["PATH"], *BROUGHT])


# The tests that run a job; the others check its results.
JOBS = (
    "test_features_are_refreshed",
    "test_a_model_is_trained_validated_and_deployed",
    "test_the_latest_rows_are_scored",
    "test_the_model_in_use_is_assessed",
    "test_rollback_to_current_champion_keeps_it",
)


@dataclass(frozen=True)
class Deployer:
    """The CLI with a copy of this repository and a separate workspace."""

    root: Path
    there: connection.Connection
    binary: str

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the CLI."""
        return self.execute(self.binary, *arguments)

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command with the laptop as the only reachable workspace."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("DATABRICKS_", "BUNDLE"))}
        return subprocess.run(
            command,
            cwd=self.root,
            env={
                **clean,
                "PATH": PATH,
                "HOME": str(self.root.parent),
                # The copy's code instead of the installed one.
                "PYTHONPATH": str(self.root / "src"),
                "DATABRICKS_CONFIG_FILE": os.devnull,
                "DATABRICKS_HOST": self.there.address,
                "DATABRICKS_TOKEN": self.there.token,
                "BUNDLE_VAR_service_principal": "laptop@localhost",
                "BUNDLE_VAR_pull_request": "17",
            },
            capture_output=True,
            text=True,
            timeout=600,
        )

    def integrate(self, *flags: str) -> subprocess.CompletedProcess[str]:
        """Run the integration tests as `make integration` does."""
        command = [sys.executable, "-m", "pytest", "tests/integration", "--target=test"]
        return self.execute(*command, "--junit-xml=reports/junit.xml", *flags)

    def report(self) -> str:
        """Return the report of the last call of the integration tests."""
        return (self.root / "reports" / "integration.md").read_text()

    def failures(self) -> list[str]:
        """Return the failed tests in the results."""
        done = self.integrate(
            *(f"--deselect=tests/integration/test_jobs.py::{job}" for job in JOBS),
            "--deselect=tests/integration/test_streams.py",
        )
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return re.findall(r"^FAILED \S+::(\S+)", done.stdout, re.MULTILINE)

    def count_results(self) -> dict[tuple[str, str], int]:
        """Return the row counts of the table of test results by suite and outcome."""
        answer = self.workspace.statement_execution.execute_statement(
            f"SELECT suite, outcome, count(*) FROM {SCHEMA}.test_results "
            "WHERE test_run LIKE 'integration-%' GROUP BY suite, outcome",
            "laptop",
        )
        assert answer.result is not None, answer.status
        rows = answer.result.data_array or []
        return {(suite, outcome): int(count) for suite, outcome, count in rows}

    def retrain(self) -> str:
        """Return the output of `make retrain`."""
        done = self.execute(sys.executable, "-m", "delivery", "retrain", "test")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def commit(self) -> None:
        """Commit all files of the copy."""
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        for command in (["add", "-A"], ["commit", "-qm", "copy"]):
            subprocess.run(["git", *identity, *command], cwd=self.root, check=True)

    def succeed(self, *arguments: str) -> str:
        """Run a command that must succeed, and return its output."""
        done = self.call(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def workspace(self) -> WorkspaceClient:
        """A client of the target workspace."""
        return WorkspaceClient(host=self.there.address, token=self.there.token)


@pytest.fixture(scope="module")
def deployer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    """Yield a committed copy of the working tree, with the laptop as host."""
    binary = shutil.which("databricks", path=PATH)
    if binary is None:
        reason = "The Databricks CLI is not here: docs.databricks.com/dev-tools/cli/install.html"
        if os.environ.get("REQUIRE_DATABRICKS_CLI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("deployed")
    home = StateDir(folder / "workspace")
    catalogs = [catalog_of(target) for target in ("dev", "test", "staging", "prod")]
    there = connection.open_workspace(home, catalogs)
    root = folder / "project"
    root.mkdir()
    for name in (".gitignore", "databricks.yml", "Makefile", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, root)
    for name in ("src", "dashboards", "resources", "notebooks", "delivery", "loadtest", "tests"):
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, root / name)
    (root / ".tools").mkdir()
    (root / ".tools" / "loadtest").symlink_to(ROOT / ".tools" / "loadtest")
    bundle = root / "databricks.yml"
    pinned = re.sub(r"host: .*", f"host: {there.address}", bundle.read_text())
    bundle.write_text(pinned)
    # A short load test, so that it also passes on a busy machine.
    serving = root / SERVING
    short = re.sub(r"(?m)^  seconds: \d+$", "  seconds: 2", serving.read_text())
    serving.write_text(re.sub(r"p95_limit_ms: \d+", GENEROUS, short))
    # No prefix of a branch that a target is deployed from.
    subprocess.run(["git", "init", "-q", "-b", "copied"], cwd=root, check=True)
    deployer = Deployer(root, there, binary)
    deployer.commit()
    yield deployer
    connection.stop(home)


@pytest.fixture(scope="module")
def integrated(deployer: Deployer) -> Deployer:
    """Return a pull request's deployment after its integration tests and a second training."""
    deployer.succeed("bundle", "deploy", "-t", "test")
    # As on an agent that times out: the first call leaves a running run, the second waits for it.
    left = deployer.integrate("--minutes=0")
    assert left.returncode == 0, left.stdout + left.stderr
    assert " passed" not in left.stdout
    assert deployer.report().startswith("## Integration on `test`: not over yet")
    passed = deployer.integrate("--resume")
    assert passed.returncode == 0, passed.stdout + passed.stderr
    deployer.succeed("bundle", "run", "model_training", "-t", "test")
    return deployer


def test_a_job_that_fails_says_why_and_ends_with_an_exit_code(deployer: Deployer) -> None:
    deployer.succeed("bundle", "deploy")
    refused = deployer.call("bundle", "run", "model_training")
    assert refused.returncode == 1
    assert "Task train FAILED:" in refused.stderr
    assert "Run the job feature_refresh first" in refused.stderr
    deployer.succeed("bundle", "destroy", "--auto-approve")


def test_integration_passes_on_the_laptop_and_reports(integrated: Deployer) -> None:
    report = integrated.report()
    checks = 21 if ASKED_FOR else 18
    assert report.startswith(f"## Integration on `test`: all {checks} passed")
    assert "| Champion | version 1 |" in report
    assert re.search(r"\| `[a-z_]*auc` \| 0\.[6-8]\d+ \|", report)
    # The call that left a run wrote nothing.
    assert integrated.count_results() == {
        ("integration", "passed"): checks,
        **({("load", "measured"): 3, ("load", "passed"): 2} if ASKED_FOR else {}),
    }
    assert 'failures="0"' in (integrated.root / "reports" / "junit.xml").read_text()
    assert integrated.failures() == []


def test_integration_that_is_resumed_starts_no_job_twice(integrated: Deployer) -> None:
    (refresh,) = integrated.workspace.jobs.list(name="pr_17_feature_refresh")
    runs = list(integrated.workspace.jobs.list_runs(job_id=refresh.job_id))
    kept = read_runs(integrated.root / "reports" / "runs.json", "test")
    assert [run.run_id for run in runs] == [kept["feature_refresh"]]


def test_integration_that_is_resumed_says_why_a_run_failed(integrated: Deployer) -> None:
    jobs = integrated.workspace.jobs
    (training,) = jobs.list(name="pr_17_model_training")
    assert training.job_id is not None
    early = {"as_of": "2012-02-01"}
    run = jobs.run_now(training.job_id, job_parameters=early).run_id
    file = integrated.root / "reports" / "runs.json"
    kept = file.read_text()
    write_runs(file, "test", {"model_training": run})
    failed = integrated.integrate("--resume", "-k", "trained")
    file.write_text(kept)
    assert failed.returncode == 1
    assert re.search(rf"Run {run} did not succeed: http.*\n.*train: ", failed.stdout)


def move_champion(workspace: WorkspaceClient, version: int) -> None:
    workspace.registered_models.set_alias(MODEL, "Champion", version)


def serve(workspace: WorkspaceClient, version: int) -> None:
    entity = ServedEntityInput(
        name=f"v{version}",
        entity_name=MODEL,
        entity_version=str(version),
        workload_size="Small",
        scale_to_zero_enabled=True,
    )
    routes = TrafficConfig([Route(served_model_name=f"v{version}", traffic_percentage=100)])
    workspace.serving_endpoints.update_config_and_wait(
        ENDPOINT, served_entities=[entity], traffic_config=routes
    )


SCORED = "test_champion_scores_each_batch_row_once"
LOADED = "test_endpoint_keeps_its_limits_under_load"
SERVED = "test_endpoint_serves_only_the_champion"
BREAKS = [
    pytest.param(move_champion, [SCORED, SERVED] if ASKED_FOR else [SCORED]),
    *([pytest.param(serve, [SERVED], marks=pytest.mark.nightly)] if ASKED_FOR else []),
]


@pytest.mark.parametrize(("break_it", "failing"), BREAKS)
def test_integration_fails_when_the_champion_is_not_who_is_used(
    integrated: Deployer,
    break_it: Callable[[WorkspaceClient, int], None],
    failing: list[str],
) -> None:
    break_it(integrated.workspace, 2)
    failures = integrated.failures()
    break_it(integrated.workspace, 1)
    assert failures == failing


@pytest.mark.nightly
@pytest.mark.skipif(not ASKED_FOR, reason="nothing is served")
def test_integration_fails_when_answers_under_load_are_too_slow(integrated: Deployer) -> None:
    conf = integrated.root / SERVING
    kept = conf.read_text()
    conf.write_text(kept.replace(GENEROUS, "p95_limit_ms: 1"))
    before = integrated.count_results()
    failures = integrated.failures()
    conf.write_text(re.sub(r"(?ms)^load_test:.*", "load_test: null\n", kept))
    skipped = integrated.integrate("-k", LOADED)
    conf.write_text(kept)
    assert failures == [LOADED]
    added = Counter(integrated.count_results())
    added.subtract(before)
    assert added["integration", "failed"] == added["load", "failed"] == 1
    assert skipped.returncode == 0, skipped.stdout
    assert "0 passed, 1 skipped" in integrated.report()
    assert "conf/serving.yml has no load_test: no load was put on the endpoint" in skipped.stdout


@pytest.mark.nightly
def test_integration_fails_when_the_newest_version_does_not_challenge(
    integrated: Deployer,
) -> None:
    integrated.workspace.registered_models.set_alias(MODEL, "Challenger", 1)
    failures = integrated.failures()
    integrated.workspace.registered_models.set_alias(MODEL, "Challenger", 2)
    assert failures == ["test_newest_version_is_the_challenger"]


@pytest.mark.nightly
def test_integration_fails_when_tables_hold_a_row_twice(integrated: Deployer) -> None:
    for table in ("weather_features", "predictions"):
        name = f"{SCHEMA}.{table}"
        twice = f"INSERT INTO {name} SELECT * FROM {name} LIMIT 1"
        integrated.workspace.statement_execution.execute_statement(twice, "laptop")
    table_test = "test_table_has_rows_and_unique_keys"
    assert integrated.failures() == [f"{table_test}[weather_features]", SCORED]


def test_a_training_starts_only_when_what_it_rests_on_has_changed(integrated: Deployer) -> None:
    assert "not started" in integrated.retrain()
    for file, answer in (
        ("README.md", "not started"),
        ("resources/batch_inference.job.yml", "not started"),
        ("src/flight_delays/conf/model.yml", "is started: its code changed since"),
    ):
        with (integrated.root / file).open("a") as text:
            text.write("\n")
        integrated.commit()
        integrated.succeed("bundle", "deploy", "-t", "test")
        assert answer in integrated.retrain(), file
    (running,) = integrated.workspace.jobs.list_runs(active_only=True)
    assert running.run_id is not None
    integrated.workspace.jobs.cancel_run_and_wait(running.run_id)


def test_teardown_and_destroy_leave_nothing(integrated: Deployer) -> None:
    integrated.succeed("bundle", "run", "teardown", "-t", "test")
    # Teardown is idempotent: after a kill it would run again.
    integrated.succeed("bundle", "run", "teardown", "-t", "test")
    workspace = integrated.workspace
    (job,) = workspace.jobs.list(name="pr_17_teardown")
    *_, first = workspace.jobs.list_runs(job_id=job.job_id, expand_tasks=True)
    (task,) = first.tasks or []
    said = workspace.jobs.get_run_output(task.run_id or 0).logs or ""
    # Deleted explicitly: Databricks does not document that monitors are deleted with their table.
    assert "monitor of inference_log_labelled deleted" in said
    catalog, schema = SCHEMA.split(".")
    assert list(workspace.serving_endpoints.list()) == []
    assert list(workspace.tables.list(catalog, schema)) == []
    checkpoints = f"/Volumes/{catalog}/{schema}/checkpoints"
    assert list(workspace.files.list_directory_contents(checkpoints)) == []
    integrated.succeed("bundle", "destroy", "--auto-approve", "-t", "test")
    assert list(workspace.jobs.list()) == []
    assert list(workspace.registered_models.list()) == []
    assert list(workspace.schemas.list(catalog)) == []


@pytest.mark.parametrize(
    ("target", "branch"),
    [
        pytest.param("staging", branch_of("staging"), marks=pytest.mark.nightly),
        ("prod", branch_of("prod")),
    ],
)
def test_a_kept_target_is_deployed_as_its_own_service_principal_and_cannot_be_destroyed(
    deployer: Deployer, target: str, branch: str
) -> None:
    subprocess.run(["git", "switch", "-q", "-C", branch], cwd=deployer.root, check=True)
    deployer.succeed("bundle", "validate", "-t", target, "--strict")
    deployer.succeed("bundle", "deploy", "-t", target)
    plan = json.loads(deployer.call("bundle", "plan", "-t", target, "-o", "json").stdout)
    assert {each["action"] for each in plan["plan"].values()} == {"skip"}
    refused = deployer.call("bundle", "destroy", "-t", target, "--auto-approve")
    assert refused.returncode == 1
    assert "prevent_destroy" in refused.stderr
    kept = deployer.workspace.schemas.get(f"{catalog_of(target)}.{declared.SCHEMA}")
    assert kept.name == declared.SCHEMA
    no_job = deployer.call("bundle", "run", "teardown", "-t", target)
    assert no_job.returncode == 1
    assert "teardown" in no_job.stderr
