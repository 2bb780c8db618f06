"""Helpers that roll a version out and back in a workspace, and read the resulting state."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any

from databricks.sdk import WorkspaceClient

from flight_delays.lakehouse.endpoint import endpoint_name, read_configuration, read_settled
from flight_delays.problem import PROBLEM

from tests.conftest import MODEL, SCHEMA, Laptop

ENDPOINT = endpoint_name(MODEL)

# Two steps, with three requests of the task each.
QUICK: Mapping[str, Any] = {"steps": [50, 100], "min_requests": 3, "probes": 3}

REGISTER = f"""
import mlflow
client = mlflow.MlflowClient()
first = client.get_model_version({MODEL!r}, "1")
made = mlflow.register_model(first.source, {MODEL!r})
for key, value in first.tags.items():
    if not key.startswith(("rollout", "held", "rejected")):
        client.set_model_version_tag({MODEL!r}, made.version, key, value)
client.set_model_version_tag({MODEL!r}, made.version, "decision", "promote")
client.set_model_version_tag({MODEL!r}, made.version, "previous_champion", "1")
client.set_registered_model_alias({MODEL!r}, "Challenger", made.version)
print(made.version)
"""

PROGRAM = """
from datetime import UTC, datetime, timedelta
from pathlib import Path
import mlflow
from flight_delays.lakehouse.context import Lakehouse

class PowerCut(BaseException):
    pass
"""

ROLL_OUT = (
    PROGRAM
    + """
from flight_delays.config.rollout import RolloutPolicy, load_rollout
from flight_delays.problem import PROBLEM
from flight_delays.tasks import rollout

def start(waiting, file={file!r}, policy={policy!r}, further={further!r}):
    found = load_rollout(PROBLEM.model_type, file)
    changed = RolloutPolicy.model_validate(found.model_dump() | policy)
    rollout.load_rollout = lambda *_: changed
    if changed.steps == {quick!r}:
        # It writes nothing, and takes as long as all else.
        rollout.check_served = lambda *_: None
    rollout.run(rollout.RolloutParameters.parse([
        "--model={model}", "--source={schema}", "--target={schema}", "--policy=policy_small",
        "--rollout=" + file, "--started_at={at}", "--job_run=1", *further,
    ]), Lakehouse(), waiting)

def wait(seconds):
    {waiting}

AT = {at!r}

{before}
try:
    start(wait)
    print("ended")
except (Exception, PowerCut) as error:
    print(type(error).__name__, error)
"""
)

ROLL_BACK = (
    PROGRAM
    + """
from flight_delays.tasks import rollback

{before}
try:
    rollback.run(rollback.RollbackParameters.parse([
        "--model={model}", "--source={schema}", "--started_at=", *{arguments!r},
    ]), Lakehouse())
except Exception as error:
    print(type(error).__name__, error)
"""
)


# Joins the labels of the requests so far.
LABELLED = f"""
from flight_delays.tasks import collect
collect.run(collect.CollectParameters.parse([
    "--model={MODEL}", "--source={SCHEMA}", "--target={SCHEMA}", "--policy=policy_small",
    "--as_of=2013-03-01", "--collected_at=" + AT,
]), Lakehouse())
"""


def register(laptop: Laptop) -> str:
    """Register a version that deploy has decided to promote over the first."""
    return laptop.execute(REGISTER).splitlines()[-1]


def roll_out(
    laptop: Laptop,
    waiting: str = "pass",
    *further: str,
    before: str = "",
    file: str = "rollout_small",
    policy: Mapping[str, Any] | None = None,
    at: str = "",
) -> str:
    """Run the task rollout, and return its output.

    Args:
        laptop: The workspace.
        waiting: Code that replaces each wait between two looks.
        further: Further arguments of the task.
        before: Code that runs before the task.
        file: The policy's file under conf/.
        policy: Changes to the policy.
        at: Start time of the job; blank means now.
    """
    code = ROLL_OUT.format(
        model=MODEL,
        schema=SCHEMA,
        waiting=waiting,
        before=before,
        file=file,
        policy=dict(policy or {}),
        quick=QUICK["steps"],
        at=at,
        further=further,
    )
    printed = laptop.execute(code)
    print(printed)
    return printed


def roll_back(laptop: Laptop, *arguments: str, before: str = "") -> str:
    """Run the task rollback, and return its output."""
    code = ROLL_BACK.format(model=MODEL, schema=SCHEMA, arguments=arguments, before=before)
    printed = laptop.execute(code)
    print(printed)
    return printed


def later(minutes: float) -> str:
    """Return a time from now on as a task parameter."""
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def send(laptop: Laptop, requests: int) -> list[int]:
    """Send requests for rows with known labels; return the number answered by each entity.

    The endpoint's log contains them afterwards.
    """
    began = datetime.now(UTC)
    sent = laptop.call(
        *("traffic", "--endpoint", ENDPOINT, "--rate", "40", "--seconds", f"{requests / 40:g}"),
        *("--table", f"{SCHEMA}.{PROBLEM.spine.source}", "-o", "json"),
    )
    assert sent.returncode == 0, sent.stdout + sent.stderr
    answered = json.loads(sent.stdout)["served_entities"]
    counts = [found["requests"] for found in answered.values()]
    assert sum(counts) == requests
    logged = (
        f"SELECT count(*) AS requests FROM {SCHEMA}.endpoint_payload "
        f"WHERE request_time >= TIMESTAMP '{began.isoformat()}'"
    )
    while int(laptop.sql(logged)[0]["requests"]) < requests:
        sleep(1)
    return counts


def faults(laptop: Laptop) -> Path:
    """Return the file that injects faults into served versions."""
    return laptop.home.path / "serving-faults.yml"


def connect(laptop: Laptop) -> WorkspaceClient:
    """Return a client of the workspace."""
    there = laptop.environment()
    return WorkspaceClient(host=there["DATABRICKS_HOST"], token=there["DATABRICKS_TOKEN"])


def shares(laptop: Laptop) -> dict[str, int]:
    """Return the traffic share of each served version."""
    standing = read_settled(connect(laptop), ENDPOINT)
    return {part.entity.entity_version or "": part.share for part in read_configuration(standing)}


def describe(laptop: Laptop, version: str) -> tuple[dict[str, str], dict[str, int]]:
    """Return the tags of a version and the aliases of its model."""
    read = f"""
import json, mlflow
client = mlflow.MlflowClient()
found = client.get_registered_model({MODEL!r}).aliases
tags = client.get_model_version({MODEL!r}, {version!r}).tags
print(json.dumps([tags, {{alias: int(number) for alias, number in found.items()}}]))
"""
    tags, aliases = json.loads(laptop.execute(read).splitlines()[-1])
    return tags, aliases


def read_steps(laptop: Laptop, version: str) -> Sequence[Mapping[str, Any]]:
    """Return a version's rows in the table of steps, in order."""
    return laptop.sql(
        f"SELECT share, decision, reason, former FROM {SCHEMA}.rollout_steps "
        f"WHERE model_version = '{version}' ORDER BY decided_at"
    )
