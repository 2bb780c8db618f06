"""The load test with Locust on the endpoint of a workspace."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from databricks.sdk import WorkspaceClient

from delivery.results import Result, write_results
from tests.conftest import MODEL, SCHEMA, Laptop
from tests.declared import ROOT

FIELDS = ["clients", "requests", "failures", "rps", "p50_ms", "p95_ms", "p99_ms", "client_is_busy"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the load test with a separate folder of reports."""
    folder = tmp_path_factory.mktemp("asking")
    for name in ("loadtest", "delivery"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / ".tools").mkdir()
    (folder / ".tools" / "loadtest").symlink_to(ROOT / ".tools" / "loadtest")
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (["init", "-q"], ["add", "loadtest"], ["commit", "-qm", "copy"]):
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    return folder


def ask(
    laptop: Laptop, project: Path, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtest", *arguments],
        cwd=project,
        env={**laptop.environment(), **more},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def connect(laptop: Laptop) -> WorkspaceClient:
    environment = laptop.environment()
    return WorkspaceClient(
        host=environment["DATABRICKS_HOST"], token=environment["DATABRICKS_TOKEN"]
    )


def test_each_level_has_a_line_a_record_and_a_page(trained: Laptop, project: Path) -> None:
    done = ask(trained, project, "--clients", "1", "3", "--seconds", "3", "--rps", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"serves version 1 of {MODEL}." in done.stdout
    lines = re.findall(r"^ +([13]) +(\d+) +[\d.]+ +\d+ +\d+ +\d+ +0\.00%$", done.stdout, re.M)
    assert [clients for clients, _ in lines] == ["1", "3"]
    with (project / "reports" / "loadtest.csv").open() as text:
        records = list(csv.DictReader(text))
    assert [list(record) for record in records] == [FIELDS, FIELDS]
    assert [record["requests"] for record in records] == [count for _, count in lines]
    for record in records:
        # Requests in progress at the end are completed.
        assert 1 <= int(record["requests"]) <= float(record["rps"]) * 4 + 3
        assert 0 < float(record["p50_ms"]) <= float(record["p95_ms"]) <= float(record["p99_ms"])
        page = project / "reports" / f"loadtest-{record['clients']}.html"
        assert "/invocations" in page.read_text()
    written = trained.sql(
        "SELECT suite, outcome, value, threshold, git_commit "
        f"FROM {SCHEMA}.test_results WHERE test_name = 'rps of 3 clients'"
    )
    assert [
        (row["suite"], row["outcome"], row["threshold"], len(row["git_commit"])) for row in written
    ] == [("load", "measured", None, 40)]
    assert written[0]["value"] == pytest.approx(float(records[1]["rps"]))
    assert re.search(r"1 need a concurrency of 4 \* ceil\(1 / [\d.]+\) = 4", done.stdout)


def test_requests_that_fail_are_counted_and_told(trained: Laptop, project: Path) -> None:
    workspace = connect(trained)
    (endpoint,) = [str(each.name) for each in workspace.serving_endpoints.list()]
    code = (
        "import sys; from loadtest import sweep; from databricks.sdk import WorkspaceClient\n"
        f"target = sweep.Target(WorkspaceClient(), {endpoint!r}, 'c.s', 4, [{{'no': 'column'}}])\n"
        "print(target.measure(2, 1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=trained.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"requests=(\d+), failures=(\d+)", done.stdout)
    assert found is not None
    assert found[1] == found[2] != "0"
    assert "400" in done.stdout


def test_any_text_reaches_the_table_of_results_as_it_is(trained: Laptop) -> None:
    text = "it's \\ \"quoted\", \n\\n, `1` and ü; '); DROP TABLE x"
    found = [Result("load", text, "failed", 1.5, detail=text), Result("load", "b", "passed", 0, 1)]
    table = write_results(connect(trained), SCHEMA, "run-1", found)
    rows = trained.sql(
        f"SELECT test_name, outcome, seconds, value, detail FROM {table} "
        "WHERE test_run = 'run-1' AND tested_at > TIMESTAMP '2026-01-01' ORDER BY seconds"
    )
    assert [list(row.values()) for row in rows] == [
        ["b", "passed", 0.0, 1.0, ""],
        [text, "failed", 1.5, None, text],
    ]


def test_metrics_that_the_document_queries_are_those_of_an_endpoint(trained: Laptop) -> None:
    page = (ROOT / "docs" / "serving.md").read_text()
    (queries,) = re.findall(r"\| panel \| query \|\n\|---\|---\|\n((?:\|.*\n)+)", page)
    named = set(re.findall(r"\b[a-z0-9]+_[a-z0-9_]+\b", queries)) - {"histogram_quantile"}
    workspace = connect(trained)
    (endpoint,) = [str(each.name) for each in workspace.serving_endpoints.list()]
    metrics = workspace.serving_endpoints.export_metrics(endpoint).contents
    assert metrics is not None
    text = metrics.read().decode()
    assert len(named) >= 8
    assert [name for name in named if not re.search(rf"^{name}\{{", text, re.M)] == []
    (scraped,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", page, re.S)
    (job,) = yaml.safe_load(scraped)["scrape_configs"]
    asked = re.search(r"/api/2\.0/serving-endpoints/[^/]+/metrics", job["metrics_path"])
    assert asked is not None
    assert job["scrape_interval"] == "1m"
    assert job["oauth2"].keys() == {"client_id", "client_secret_file", "token_url", "scopes"}
