"""If a policy requires approval, no job promotes a version without a current one."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import BaseRun

from flight_delays.lakehouse.endpoint import (
    delete_endpoint,
    endpoint_name,
    read_configuration,
    read_settled,
)
from flight_delays.promotion.approval import APPROVAL_TAG, APPROVED, ASKED_TAG
from flight_delays.promotion.decide import CHAMPION
from flight_delays.promotion.model_version import STATUS_TAG

from .cut_off import cut_each
from tests.conftest import MODEL, SCHEMA, Laptop, open_copy
from tests.problem.instants import FIRST

PARAMETERS = f"model_name={MODEL},model_version=1"


def require_approval(project: Path) -> None:
    """Make a copy of the project require approval with the small policy, also in dev."""
    conf = project / "src" / "flight_delays" / "conf" / "promotion.yml"
    conf.write_text("approval: required\nexempt_targets: []\n")
    bundle = project / "databricks.yml"
    text = bundle.read_text()
    assert text.count("    default: policy\n") == 1
    bundle.write_text(text.replace("    default: policy\n", "    default: policy_small\n"))


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, trained_state: Path) -> Iterator[Laptop]:
    """Yield a workspace with a Challenger and required approval, without Champion and endpoint."""
    with open_copy(trained_state, tmp_path_factory.mktemp("asking")) as laptop:
        require_approval(laptop.project)
        registry(laptop, f"delete_registered_model_alias({MODEL!r}, {CHAMPION!r})")
        delete_endpoint(connect(laptop), endpoint_name(MODEL))
        yield laptop


def connect(laptop: Laptop) -> WorkspaceClient:
    there = laptop.environment()
    return WorkspaceClient(host=there["DATABRICKS_HOST"], token=there["DATABRICKS_TOKEN"])


def deploy(laptop: Laptop, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the job deployment for version 1."""
    return laptop.call("run", "deployment", "--params", PARAMETERS, *more)


def refuse(laptop: Laptop, *more: str) -> str:
    """Return the output of the job deployment, which must fail without setting a Champion."""
    done = deploy(laptop, *more)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Champion" not in read(laptop)["aliases"]
    assert laptop.status()["endpoints"] == []
    return done.stdout + done.stderr


def read(laptop: Laptop) -> dict[str, Any]:
    (model,) = (model for model in laptop.status()["models"] if model["name"] == MODEL)
    version: dict[str, Any]
    (version,) = (each for each in model["versions"] if each["version"] == 1)
    return version


def tags(laptop: Laptop) -> dict[str, str]:
    found: dict[str, str] = read(laptop)["tags"]
    return found


def registry(laptop: Laptop, call: str) -> None:
    """Execute a call of the registry's client."""
    laptop.execute(f"import mlflow\nmlflow.MlflowClient().{call}")


def finish(laptop: Laptop, seconds: float = 600) -> dict[str, str]:
    """Wait for the newest run of the job deployment and return the result of each task."""
    client = connect(laptop)
    (job,) = client.jobs.list(name="[dev laptop] deployment")
    until = time.monotonic() + seconds
    while True:
        run: BaseRun = next(iter(client.jobs.list_runs(job_id=job.job_id, expand_tasks=True)))
        if run.state is not None and run.state.result_state is not None:
            break
        assert time.monotonic() < until, f"The run goes on: {run.state}"
        time.sleep(0.5)
    # For a repaired task, the last attempt counts.
    return {
        task.task_key: task.state.result_state.value
        for task in run.tasks or []
        if task.state is not None and task.state.result_state is not None
    }


def answer(laptop: Laptop, value: str) -> None:
    """Set the approval tag."""
    registry(laptop, f"set_model_version_tag({MODEL!r}, '1', {APPROVAL_TAG!r}, {value!r})")


UNDECIDED = f"""
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks.approval import ApprovalError, VersionParameters, evaluate

parameters = VersionParameters(model_name={MODEL!r}, model_version=1)
try:
    evaluate(parameters, Lakehouse(), within=0)
except ApprovalError as error:
    print(error)
"""


def approve_against_another(laptop: Laptop) -> None:
    """Approve the version against a former Champion."""
    asked = '{"version": 1, "champion": 7, "predictions": null}'
    registry(laptop, f"set_model_version_tag({MODEL!r}, '1', {ASKED_TAG!r}, {asked!r})")
    answer(laptop, APPROVED)


ASK = f"""
import os
import mlflow
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.registry import read_version
from flight_delays.tasks.approval import ask, find_approval

class Registry(mlflow.MlflowClient):
    \"\"\"Dies after it has changed a tag.\"\"\"

    def delete_model_version_tag(self, name, version, key):
        super().delete_model_version_tag(name, version, key)
        if CUT == "remove " + key:
            os._exit(0)

    def set_model_version_tag(self, name, version, key, value):
        super().set_model_version_tag(name, version, key, value)
        if CUT == "set " + key:
            os._exit(0)

lakehouse = Lakehouse()
lakehouse.registry = Registry()
ask(read_version(lakehouse.registry, {MODEL!r}, 1), None, lakehouse)
print(find_approval(read_version(lakehouse.registry, {MODEL!r}, 1), None))
"""
NIGHTLY = pytest.mark.nightly
FIRST_EFFECT = f"remove {APPROVAL_TAG}"
EFFECTS = (f"remove {ASKED_TAG}", f"set {ASKED_TAG}")


def test_version_is_promoted_by_no_task_before_it_is_approved(asking: Laptop) -> None:
    printed = refuse(asking, "--only", "deployment")
    assert "may become Champion once a person approves it against the heuristic" in printed
    assert "held-out rows" in printed
    assert "validation.html" in printed
    assert "model-versions/set-tag" in printed
    assert tags(asking)["decision"] == "needs_approval"
    assert '"champion": null' in tags(asking)[ASKED_TAG]


@pytest.mark.parametrize("value", ["", "approved", "Rejected"])
def test_another_answer_approves_nothing(asking: Laptop, value: str) -> None:
    if value:
        answer(asking, value)
    printed = refuse(asking)
    assert "Approval_Check" in printed
    assert ("Nobody has approved it yet" if not value else f"is '{value}'") in printed


@pytest.mark.parametrize(
    "only",
    [
        pytest.param("Approval_Check", marks=NIGHTLY),
        pytest.param("evaluation,Approval_Check", marks=NIGHTLY),
        "deployment",
    ],
)
def test_stale_approval_is_removed_and_asked_anew(asking: Laptop, only: str) -> None:
    approve_against_another(asking)
    refuse(asking, "--only", only)
    assert APPROVAL_TAG not in tags(asking)
    assert '"champion": null' in tags(asking)[ASKED_TAG]


@pytest.mark.parametrize(
    "effect", [FIRST_EFFECT, *(pytest.param(each, marks=NIGHTLY) for each in EFFECTS)]
)
def test_killed_request_approves_nothing_and_is_completed(asking: Laptop, effect: str) -> None:
    approve_against_another(asking)
    asking.execute(f"CUT = {effect!r}\n{ASK}")
    assert APPROVAL_TAG not in tags(asking)
    asking.execute(f"CUT = ''\n{ASK}")
    assert APPROVAL_TAG not in tags(asking)
    assert '"champion": null' in tags(asking)[ASKED_TAG]


@pytest.fixture(scope="module")
def linked(asking: Laptop) -> tuple[str, dict[str, str]]:
    """Train version 2, fail it, and return the output and the results of the linked job's tasks."""
    done = asking.run("model_training", FIRST, "--only", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    registry(asking, f"set_model_version_tag({MODEL!r}, '2', {STATUS_TAG!r}, 'FAILED')")
    return done.stdout, finish(asking)


def test_job_is_linked_before_a_version_is_registered_and_started_for_it(
    linked: tuple[str, dict[str, str]],
) -> None:
    printed, results = linked
    assert f"{MODEL} is linked with the job" in printed
    broken = {APPROVAL_TAG: "UPSTREAM_FAILED", "deployment": "UPSTREAM_FAILED"}
    assert results == {"evaluation": "FAILED", **broken}


@pytest.fixture(scope="module")
def approved(asking: Laptop, linked: object) -> Laptop:  # noqa: ARG001
    """Return the workspace after version 1 was approved and promoted."""
    refuse(asking)
    done = asking.call("approve", MODEL, "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(finish(asking).values()) == {"SUCCESS"}
    return asking


def test_approved_version_is_promoted_and_again_changes_nothing(approved: Laptop) -> None:
    done = deploy(approved)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read(approved)["aliases"] == ["Challenger", "Champion"]
    assert tags(approved)["decision_reason"].startswith("Approved. ")


PROMOTE = f"""
from flight_delays.config.promotion import Promotion
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import approval, deploy

approval.load_promotion = lambda: Promotion(approval="required", exempt_targets=[])
deploy.run(deploy.DeployParameters.parse([
    "--model_uri=models:/{MODEL}/1", "--source={SCHEMA}", "--policy=policy_small",
    "--online_store=online-store", "--environment=dev",
]), Lakehouse())
"""


@pytest.mark.nightly
@pytest.mark.parametrize("after", ["create", ""])
def test_killed_promotion_of_an_approved_version_is_completed(approved: Laptop, after: str) -> None:
    def promote(cut_off: str) -> str:
        registry(approved, f"delete_registered_model_alias({MODEL!r}, {CHAMPION!r})")
        delete_endpoint(connect(approved), endpoint_name(MODEL))
        return approved.execute(f"{cut_off}\n{PROMOTE}")

    for _ in cut_each(promote, after, least=5):
        done = deploy(approved)
        assert done.returncode == 0, done.stdout + done.stderr
        assert read(approved)["aliases"] == ["Challenger", "Champion"]
        assert tags(approved)["decision_reason"].startswith("Approved. ")
        served = read_configuration(read_settled(connect(approved), endpoint_name(MODEL)))
        assert [(part.entity.entity_version, part.share) for part in served] == [("1", 100)]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("FAILED", "failed validation, so there is nothing to approve"),
        ("PENDING", "has the status 'PENDING' after 0 hours"),
    ],
)
def test_version_that_has_not_passed_is_not_asked_about(
    asking: Laptop, status: str, says: str
) -> None:
    registry(asking, f"set_model_version_tag({MODEL!r}, '1', {STATUS_TAG!r}, {status!r})")
    before = tags(asking)
    assert says in asking.execute(UNDECIDED)
    assert tags(asking) == before
