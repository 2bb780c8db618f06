"""A deploy is disturbed at each kind of call it makes; what the next one comes to."""

import re
from pathlib import Path
from typing import Any

import pytest

from conformance.tests.deployments import DEV, STAGING, TEST, Deployment, Open
from conformance.tests.states import summarize
from conformance.tests.workspaces import USER

# What the CLI itself does, at each of its calls.
NIGHTLY = pytest.mark.nightly

ROOT = STAGING.root_path
IMPORT = f"POST /api/2.0/workspace-files/import-file{ROOT}"
LOCK = f"{IMPORT}/state/deploy.lock"
ME = "GET /api/2.0/preview/scim/v2/Me"
MODULE = f"{IMPORT}/files/src/flight_delays/__init__.py"
STATE = f"{IMPORT}/state/resources.json"
METADATA = f"{IMPORT}/state/metadata.json"
PROGRESS = f"{IMPORT}/state/deployment.json"
WHEEL = f"{IMPORT}/artifacts/.internal/*"
STATUS = "GET /api/2.0/workspace/get-status"
READ_LOCK = "GET /api/2.0/workspace/export"
DELETE = "POST /api/2.0/workspace/delete"
MKDIRS = "POST /api/2.0/workspace/mkdirs"
FOLDER_GRANTS = "PUT /api/2.0/permissions/directories/*"
JOB_GRANTS = "PUT /api/2.0/permissions/jobs/*"
EXPERIMENT_GRANTS = "PUT /api/2.0/permissions/experiments/*"
CREATE_SCHEMA = "POST /api/2.1/unity-catalog/schemas"
CREATE_MODEL = "POST /api/2.1/unity-catalog/models"
CREATE_VOLUME = "POST /api/2.1/unity-catalog/volumes"
CREATE_EXPERIMENT = "POST /api/2.0/mlflow/experiments/create"
CREATE_JOB = "POST /api/2.2/jobs/create"
GET_EXPERIMENT = "GET /api/2.0/mlflow/experiments/get"
GET_JOB = "GET /api/2.2/jobs/get"
TELEMETRY = "POST /telemetry-ext"

# Of the dashboard and the alert, which nothing rests on; a refusal ends the deploy as others do.
AS_OTHERS = re.compile(r"/sql/warehouses|/lakeview/|/alerts|/permissions/(alertsv2|dashboards)/")

# The CLI tries these again by itself, or does without.
BORNE = [
    (DELETE, 0),
    (EXPERIMENT_GRANTS, 0),
    (GET_EXPERIMENT, 0),
    (GET_JOB, 2),
    (JOB_GRANTS, 0),
    (TELEMETRY, 0),
]
FATAL = [
    (ME, 0),
    (STATUS, 0),
    (LOCK, 0),
    (MKDIRS, 0),
    (MKDIRS, 7),
    (WHEEL, 0),
    (MODULE, 0),
    (PROGRESS, 0),
    (FOLDER_GRANTS, 0),
    (CREATE_SCHEMA, 0),
    (CREATE_EXPERIMENT, 0),
    (CREATE_MODEL, 0),
    (CREATE_VOLUME, 0),
    (CREATE_JOB, 0),
    (CREATE_JOB, 2),
    (METADATA, 0),
]
# The lock is held, or is about to be let go.
LOCKED = [(READ_LOCK, 0), (READ_LOCK, 1), (DELETE, 1)]
LOST = [(MKDIRS, 0), (WHEEL, 0), (PROGRESS, 0), (FOLDER_GRANTS, 0), (STATE, 0), (METADATA, 0)]
KILLED_BEFORE_THE_LOCK = [(ME, 0), (LOCK, 1), (TELEMETRY, 0)]
# No creation, nor a call while others create: whether their answers are known is chance.
KILLED_WITH_THE_LOCK = [
    (READ_LOCK, 0),
    (MODULE, 0),
    (PROGRESS, 0),
    (STATE, 0),
    (METADATA, 0),
    (DELETE, 1),
]


def leave(cases: list[tuple[str, int]], kept: tuple[str, int]) -> list[Any]:
    """Return cases of which each change tries one, and `make nightly` the others."""
    assert kept in cases
    return [pytest.param(*case, marks=() if case == kept else NIGHTLY) for case in cases]


def name(value: Any) -> str | None:
    return value.replace(ROOT, "") if isinstance(value, str) else None


@pytest.fixture(scope="module")
def undisturbed(open_target: Open) -> dict[str, Any]:
    deployment = open_target(STAGING)
    deployment.deploy().succeed()
    return summarize(deployment.workspace.read_state())


@pytest.fixture
def staging(open_target: Open) -> Deployment:
    return open_target(STAGING)


@pytest.fixture
def elsewhere(staging: Deployment, tmp_path: Path) -> Deployment:
    """Return the same target from a new checkout, as the next job of a CI has it."""
    return staging.check_out_again(tmp_path / "checkout")


def test_each_kind_of_call_of_a_deploy_is_disturbed_here(staging: Deployment) -> None:
    staging.deploy().succeed()
    disturbed = {call for call, _ in (*BORNE, *FATAL, *LOCKED, *LOST)}
    for call in staging.workspace.list_calls():
        kind = re.sub(r"(?<=/)(\d+|[^/]+\.whl)$", "*", call)
        kind = MODULE if "/files/src/" in kind else kind
        assert kind in disturbed or AS_OTHERS.search(kind), call


@pytest.mark.parametrize(("call", "nth"), leave(BORNE, (GET_JOB, 2)), ids=name)
def test_a_deploy_bears_one_refusal_of_what_it_can_repeat(
    staging: Deployment, undisturbed: dict[str, Any], call: str, nth: int
) -> None:
    staging.workspace.fail(call, nth=nth)
    staging.deploy().succeed()
    check_settled(staging, undisturbed)


@pytest.mark.parametrize(("call", "nth"), leave(FATAL, (CREATE_JOB, 2)), ids=name)
def test_after_a_refused_call_the_next_deploy_converges(
    staging: Deployment,
    elsewhere: Deployment,
    undisturbed: dict[str, Any],
    call: str,
    nth: int,
) -> None:
    staging.workspace.fail(call, nth=nth)
    assert "injected fault" in fail(staging)
    elsewhere.deploy().succeed()
    check_settled(elsewhere, undisturbed)


@pytest.mark.parametrize(("call", "nth"), leave(LOST, (METADATA, 0)), ids=name)
def test_after_a_lost_answer_the_next_deploy_converges(
    staging: Deployment,
    elsewhere: Deployment,
    undisturbed: dict[str, Any],
    call: str,
    nth: int,
) -> None:
    staging.workspace.fail(call, nth=nth, status=504, done=True)
    assert "injected fault" in fail(staging)
    elsewhere.deploy().succeed()
    check_settled(elsewhere, undisturbed)


@pytest.mark.parametrize(("call", "nth"), leave(LOCKED, (READ_LOCK, 1)), ids=name)
def test_a_lock_that_could_not_be_let_go_is_named_and_forced(
    staging: Deployment,
    elsewhere: Deployment,
    undisturbed: dict[str, Any],
    call: str,
    nth: int,
) -> None:
    staging.workspace.fail(call, nth=nth)
    fail(staging)
    assert "Use --force-lock to override" in fail(elsewhere)
    elsewhere.deploy("--force-lock").succeed()
    check_settled(elsewhere, undisturbed)


@pytest.mark.parametrize(("call", "nth"), leave(KILLED_BEFORE_THE_LOCK, (LOCK, 1)), ids=name)
def test_a_deploy_killed_without_the_lock_is_made_good_by_the_next(
    staging: Deployment,
    elsewhere: Deployment,
    undisturbed: dict[str, Any],
    call: str,
    nth: int,
) -> None:
    kill(staging, call, nth)
    elsewhere.deploy().succeed()
    check_settled(elsewhere, undisturbed)


@pytest.mark.parametrize(("call", "nth"), leave(KILLED_WITH_THE_LOCK, (STATE, 0)), ids=name)
def test_a_deploy_killed_with_the_lock_is_made_good_by_force_from_its_checkout(
    staging: Deployment, undisturbed: dict[str, Any], call: str, nth: int
) -> None:
    kill(staging, call, nth)
    assert "Use --force-lock to override" in fail(staging)
    staging.deploy("--force-lock").succeed()
    check_settled(staging, undisturbed)


@NIGHTLY
def test_in_dev_a_killed_deploy_leaves_no_lock_and_the_next_converges(open_target: Open) -> None:
    killed, calm = open_target(DEV), open_target(DEV)
    killed.workspace.kill(STATE.replace(ROOT, DEV.root_path), identity=USER)
    assert killed.deploy().code < 0
    killed.deploy().succeed()
    calm.deploy().succeed()
    jobs = [
        {job["settings"]["name"] for job in one.workspace.read_state()["jobs"].values()}
        for one in (killed, calm)
    ]
    assert jobs[0] == jobs[1]
    assert len(killed.workspace.read_state()["jobs"]) == len(jobs[1])


@pytest.mark.parametrize(
    "call",
    [
        CREATE_SCHEMA,
        *(pytest.param(call, marks=NIGHTLY) for call in (CREATE_MODEL, CREATE_EXPERIMENT)),
    ],
    ids=name,
)
def test_what_a_deploy_made_and_does_not_know_is_refused_until_it_is_bound(
    staging: Deployment, elsewhere: Deployment, undisturbed: dict[str, Any], call: str
) -> None:
    staging.workspace.fail(call, status=504, done=True)
    fail(staging)
    assert "already exists" in fail(elsewhere)
    experiments = staging.workspace.read_state()["experiments"]
    key, identifier = {
        CREATE_SCHEMA: ("flight_delays", "staging.flight_delays"),
        CREATE_MODEL: ("model", "staging.flight_delays.model"),
        CREATE_EXPERIMENT: ("training", next(iter(experiments), "")),
    }[call]
    elsewhere("deployment", "bind", key, identifier, "--auto-approve").succeed()
    elsewhere.deploy().succeed()
    check_settled(elsewhere, undisturbed)


@NIGHTLY
def test_a_job_whose_creation_was_not_answered_stands_twice(
    staging: Deployment, elsewhere: Deployment, undisturbed: dict[str, Any]
) -> None:
    # A job's name is no key: nothing tells the CLI that it made one, and the other stays.
    staging.workspace.fail(CREATE_JOB, status=504, done=True)
    fail(staging)
    elsewhere.deploy().succeed()
    assert "0 to add, 0 to change, 0 to delete" in elsewhere.plan()
    names = [job["settings"]["name"] for job in elsewhere.workspace.read_state()["jobs"].values()]
    assert len(names) == len(undisturbed["jobs"]) + 1
    assert len(set(names)) == len(undisturbed["jobs"])


@NIGHTLY
def test_a_state_that_was_not_saved_is_saved_by_a_deploy_from_the_same_checkout(
    staging: Deployment, undisturbed: dict[str, Any]
) -> None:
    staging.workspace.fail(STATE)
    fail(staging)
    staging.deploy().succeed()
    check_settled(staging, undisturbed)


def test_a_state_that_was_not_saved_makes_a_deploy_from_elsewhere_refuse_and_double_nothing(
    staging: Deployment, elsewhere: Deployment, undisturbed: dict[str, Any]
) -> None:
    staging.workspace.fail(STATE)
    fail(staging)
    assert "already exists" in fail(elsewhere)
    state = summarize(staging.workspace.read_state())
    assert [job["settings"]["name"] for job in state["jobs"]] == [
        job["settings"]["name"] for job in undisturbed["jobs"]
    ]


@pytest.mark.parametrize(
    "call",
    [
        "POST /api/2.2/jobs/delete",
        pytest.param("POST /api/2.0/mlflow/experiments/delete", marks=NIGHTLY),
        pytest.param(DELETE, marks=NIGHTLY),
    ],
)
def test_a_refused_destroy_is_completed_by_the_next(open_target: Open, call: str) -> None:
    deployment = open_target(TEST)
    deployment.deploy().succeed()
    deployment.workspace.fail(call)
    deployment("destroy", "--auto-approve")
    deployment("destroy", "--auto-approve").succeed()
    state = deployment.workspace.read_state()
    kinds = ("jobs", "schemas", "registered_models", "experiments", "files")
    assert not any(state[kind] for kind in kinds)


def fail(deployment: Deployment) -> str:
    """Deploys, which must fail, and returns what it said."""
    result = deployment.deploy()
    assert result.code == 1, result.said
    return result.said


def kill(deployment: Deployment, call: str, nth: int) -> None:
    deployment.workspace.kill(call, nth=nth)
    assert deployment.deploy().code < 0


def check_settled(deployment: Deployment, undisturbed: dict[str, Any]) -> None:
    """Check that it stands as if nothing had happened, and that a plan agrees."""
    assert summarize(deployment.workspace.read_state()) == undisturbed
    assert "0 to add, 0 to change, 0 to delete" in deployment.plan()
