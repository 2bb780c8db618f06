"""A version that gets its traffic by degrees beside the Champion, and a rollback by hand.

The tests follow one another on one workspace: each leaves the first version Champion, but the last.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from scipy.stats import binomtest

from flight_delays.lakehouse.endpoint import endpoint_name, read_configuration, read_settled
from flight_delays.problem import PROBLEM

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy

ENDPOINT = endpoint_name(MODEL)

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

ROLL_OUT = """
import sys, time
from pathlib import Path
import mlflow
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import rollout

class PowerCut(BaseException):
    pass

def wait(seconds):
    {waiting}

PARAMETERS = rollout.RolloutParameters.parse([
    "--model={model}", "--source={schema}", "--target={schema}", "--policy=policy_small",
    "--rollout=rollout_small", "--started_at=", "--job_run=1",
])
try:
    rollout.run(PARAMETERS, Lakehouse(), wait)
except (Exception, PowerCut) as error:
    print(type(error).__name__, error)
"""

ROLL_BACK = f"""
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import rollback
try:
    rollback.run(rollback.RollbackParameters.parse([
        "--model={MODEL}", "--source={SCHEMA}", "--started_at=", *ARGUMENTS,
    ]), Lakehouse())
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def laptop(trained_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with open_copy(trained_state, tmp_path_factory.mktemp("rolled")) as laptop:
        yield laptop


@pytest.fixture
def version(laptop: Laptop) -> Iterator[str]:
    """Register a version that deploy has decided to promote over the first."""
    yield laptop.execute(REGISTER).splitlines()[-1]
    faults(laptop).unlink(missing_ok=True)


def faults(laptop: Laptop) -> Path:
    return laptop.home.path / "serving-faults.yml"


def roll_out(laptop: Laptop, waiting: str = "pass") -> str:
    printed = laptop.execute(ROLL_OUT.format(model=MODEL, schema=SCHEMA, waiting=waiting))
    print(printed)
    return printed


def roll_back(laptop: Laptop, *arguments: str) -> str:
    printed = laptop.execute(f"ARGUMENTS = {list(arguments)}\n{ROLL_BACK}")
    print(printed)
    return printed


def shares(laptop: Laptop) -> dict[str, int]:
    environment = laptop.environment()
    workspace = WorkspaceClient(
        host=environment["DATABRICKS_HOST"], token=environment["DATABRICKS_TOKEN"]
    )
    standing = read_settled(workspace, ENDPOINT)
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


BAD = {
    "failed requests": "{error_share: 0.5}",
    "slow requests": "{delay_ms: 1100}",
    "missing or impossible": "{null_share: 0.5}",
    "distance of the scores": "{shift: 0.35}",
}


@pytest.mark.parametrize("reason", BAD)
def test_version_that_turns_bad_is_taken_back_for_its_own_reason(
    laptop: Laptop, version: str, reason: str
) -> None:
    spoil = f"Path({str(faults(laptop))!r}).write_text('{version}: {BAD[reason]}')"
    printed = roll_out(laptop, spoil)
    assert "RolledBackError" in printed
    tags, aliases = describe(laptop, version)
    assert reason in tags["rejected"]
    assert tags["decision"] == "reject"
    assert aliases == {"Champion": 1}
    assert shares(laptop) == {"1": 100}


def test_killed_rollout_goes_on_at_its_step(laptop: Laptop, version: str) -> None:
    printed = roll_out(laptop, "raise PowerCut")
    assert "PowerCut" in printed
    assert shares(laptop) == {"1": 95, version: 5}
    again = roll_out(laptop, "raise PowerCut")
    assert "answers 100 rows by key" not in again
    assert shares(laptop) == {"1": 95, version: 5}
    # A person stops it: the Champion stays.
    assert "Version 1 of" in roll_back(laptop, "--hold_days=0", "--reason=trial")
    tags, aliases = describe(laptop, version)
    assert tags["rejected"] == "gone back to version 1 by hand: trial"
    assert aliases == {"Champion": 1}
    assert shares(laptop) == {"1": 100}
    assert "Nothing to roll out" in roll_out(laptop)


# Each effect is cut off after it has happened, as a kill would; then the task runs again.
CUT = """
import json
from databricks.sdk import WorkspaceClient
from flight_delays.config.rollout import load_rollout
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.endpoint import read_configuration
from flight_delays.problem import PROBLEM
from flight_delays.tasks import deploy, rollout

class PowerCut(BaseException):
    pass

EFFECTS = ("admit_beside", "tag_version", "split", "write_step", "hand_over", "make_champion",
           "leave_alone", "remove_alias")
real = {{name: getattr(rollout, name) for name in EFFECTS}}
left = 0

def cut(name):
    def run(*arguments, **named):
        global left
        answer = real[name](*arguments, **named)
        left -= 1
        if left == 0:
            raise PowerCut(name)
        return answer
    return run

for name in EFFECTS:
    setattr(rollout, name, cut(name))
quick = load_rollout(PROBLEM.model_type, "rollout_small").model_copy(
    update={{"steps": [50, 100], "min_requests": 3, "probes": 3}}
)
rollout.load_rollout = lambda *_: quick
lakehouse = Lakehouse()
registry = lakehouse.registry

def start():
    {register}
    return str(made.version)

def go(version):
    try:
        rollout.run(rollout.RolloutParameters.parse([
            "--model={model}", "--source={schema}", "--target={schema}", "--policy=policy_small",
            "--rollout=rollout_small", "--started_at=", "--job_run=1", "--model_version=" + version,
        ]), lakehouse, lambda _: None)
    except (Exception, PowerCut) as error:
        return type(error).__name__, str(error)
    return "ended", ""

def stand(version):
    aliases = registry.get_registered_model({model!r}).aliases
    parts = read_configuration(lakehouse.workspace.serving_endpoints.get({endpoint!r}))
    steps = lakehouse.spark.sql(
        "SELECT count(*) AS steps FROM {schema}.rollout_steps WHERE model_version = " + version
    ).first().steps
    return {{"aliases": dict(aliases), "steps": steps,
             "shares": {{part.entity.entity_version: part.share for part in parts}}}}

{bad}
for effect in range(*CUTS):
    version = start()
    if BAD:
        write_faults(version)
    left = effect
    first = go(version)
    left = 0
    second = go(version)
    print("CUT", json.dumps([version, first, second, stand(version)]))
    # Back to the first, for the next.
    registry.set_registered_model_alias({model!r}, "Champion", "1")
    rollout.bring(*[rollout.read_version(registry, {model!r}, 1)] * 2, "{schema}", lakehouse)
    if first[0] != "PowerCut":
        break
"""


@pytest.mark.parametrize(
    ("is_bad", "cuts"),
    [
        # After the alias has moved; after the endpoint was given back.
        (False, (7, 8)),
        (True, (6, 7)),
        pytest.param(False, (1, 50), marks=pytest.mark.nightly),
        pytest.param(True, (1, 50), marks=pytest.mark.nightly),
    ],
)
def test_rollout_that_is_cut_off_after_any_effect_ends_as_if_it_had_not_been(
    laptop: Laptop, is_bad: bool, cuts: tuple[int, int]
) -> None:
    register = REGISTER.replace("print(made.version)", "").strip().replace("\n", "\n    ")
    bad = f"""
BAD, CUTS = {is_bad}, {cuts}
from pathlib import Path
FILE = Path({str(faults(laptop))!r})
def write_faults(version):
    FILE.unlink(missing_ok=True)
    def spoil(*arguments, **named):
        answer = admit(*arguments, **named)
        FILE.write_text(version + ": {{null_share: 1.0}}")
        return answer
    rollout.admit_beside = spoil
admit = rollout.admit_beside
""".replace("{{", "{").replace("}}", "}")
    code = CUT.format(model=MODEL, schema=SCHEMA, endpoint=ENDPOINT, register=register, bad=bad)
    printed = laptop.execute(code)
    ends = [json.loads(line[4:]) for line in printed.splitlines() if line.startswith("CUT ")]
    print(ends)
    ended = "RolledBackError" if is_bad else "ended"
    # All effects there are, but for the last round, which was not cut off.
    assert len(ends) == 1 or (len(ends) > 6 and ends.pop()[1][0] == ended)
    for version, first, second, left in ends:
        assert first[0] == "PowerCut"
        assert second[0] == ended, second
        assert left["shares"] == {"1" if is_bad else version: 100}
        assert left["steps"] == 1
        number = int(version)
        both = {"Champion": number, "Challenger": number}
        assert left["aliases"] == ({"Champion": 1} if is_bad else both)
    faults(laptop).unlink(missing_ok=True)


def test_rollout_gives_up_where_the_champion_was_changed(laptop: Laptop, version: str) -> None:
    move = f"mlflow.MlflowClient().set_registered_model_alias({MODEL!r}, 'Champion', '2')"
    printed = roll_out(laptop, move)
    assert "Champion was version 1 and is 2 now" in printed
    assert shares(laptop) == {"2": 100}
    assert "given up" in describe(laptop, version)[0]["rollout_ended"]
    # By hand, back to the first: the second was never promoted by deploy, but has passed.
    roll_back(laptop, "--to_version=1", "--hold_days=0")
    assert shares(laptop) == {"1": 100}


def test_rollout_refuses_an_endpoint_that_somebody_has_changed(
    laptop: Laptop, version: str
) -> None:
    change = f"""
    from flight_delays.lakehouse.endpoint import Part, read_configuration, send_configuration
    client = Lakehouse().workspace
    one, other = read_configuration(client.serving_endpoints.get({ENDPOINT!r}))
    send_configuration(client, {ENDPOINT!r}, (Part(one.entity, 60), Part(other.entity, 40)))"""
    printed = roll_out(laptop, change)
    assert "Somebody else has changed it" in printed
    assert shares(laptop) == {"1": 60, version: 40}
    assert "Version 1 of" in roll_back(laptop, "--hold_days=0")
    assert shares(laptop) == {"1": 100}


def test_rollback_refuses_a_version_that_never_passed(laptop: Laptop, version: str) -> None:
    fail = f"mlflow.MlflowClient().set_model_version_tag({MODEL!r}, {version!r}, "
    laptop.execute(f"import mlflow\n{fail}'model_validation_status', 'FAILED')")
    printed = roll_back(laptop, f"--to_version={version}")
    assert "allowed: a version that has PASSED" in printed
    assert shares(laptop) == {"1": 100}


def test_good_version_gets_all_traffic_and_can_be_gone_back_from(
    laptop: Laptop, version: str
) -> None:
    printed = roll_out(laptop)
    assert [line.split()[1] for line in printed.splitlines() if ": advance:" in line] == ["5", "25"]
    assert shares(laptop) == {version: 100}
    assert describe(laptop, version)[1] == {"Champion": int(version), "Challenger": int(version)}
    steps = laptop.execute(
        "from databricks.sdk.runtime import spark\n"
        f"print(spark.sql('SELECT share, decision, former FROM {SCHEMA}.rollout_steps "
        f"WHERE model_version = {version} ORDER BY share').collect())"
    )
    assert "share=50, decision='finish', former='dev_laptop_model-1 at 100 %'" in steps

    assert "held until" in roll_back(laptop, "--reason=wrong for small airports")
    assert shares(laptop) == {"1": 100}
    assert describe(laptop, "1")[1] == {"Champion": 1}
    # Run again, it does not go one further back.
    assert "Give to_version to go further back" in roll_back(laptop)
    assert shares(laptop) == {"1": 100}
    # One that was left can be gone back to, and is no longer said to be rejected.
    assert "rejected" in describe(laptop, version)[0]
    roll_back(laptop, f"--to_version={version}", "--hold_days=0")
    assert "rejected" not in describe(laptop, version)[0]
    roll_back(laptop, "--to_version=1", "--hold_days=0")


AB = """
from datetime import UTC, datetime, timedelta
from flight_delays.config.rollout import load_rollout
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.problem import PROBLEM
from flight_delays.tasks import collect, rollout

class PowerCut(BaseException):
    pass

def wait(seconds):
    raise PowerCut

policy = load_rollout(PROBLEM.model_type)
quality = policy.quality.model_copy(update={{"min_labels": 100}})
update = {{"mode": "ab", "min_requests": 100, "probes": 0, "quality": quality}}
rollout.load_rollout = lambda *_: policy.model_copy(update=update)
LATER = (datetime.now(UTC) + timedelta(minutes={minutes})).isoformat()
if {minutes}:
    collect.run(collect.CollectParameters.parse([
        "--model={model}", "--source={schema}", "--target={schema}", "--policy=policy_small",
        "--as_of=2013-03-01", "--collected_at=" + LATER,
    ]), Lakehouse())
try:
    rollout.run(rollout.RolloutParameters.parse([
        "--model={model}", "--source={schema}", "--target={schema}", "--policy=policy_small",
        "--rollout=rollout", "--started_at=" + LATER, "--job_run=1", "--model_version={version}",
    ]), Lakehouse(), wait)
except PowerCut:
    print("waits")
"""


def test_ab_test_keeps_the_champion_where_nothing_is_shown(laptop: Laptop, version: str) -> None:
    def run(minutes: int) -> str:
        return laptop.execute(
            AB.format(model=MODEL, schema=SCHEMA, version=version, minutes=minutes)
        )

    assert "The A/B test has lasted 0 of 20,160 minutes" in run(0)
    assert shares(laptop) == {"1": 50, version: 50}
    sent = laptop.call(
        *("traffic", "--endpoint", ENDPOINT, "--rate", "40", "--seconds", "10", "-o", "json"),
        *("--table", f"{SCHEMA}.{PROBLEM.spine.source}"),
    )
    assert sent.returncode == 0, sent.stdout + sent.stderr
    answered = json.loads(sent.stdout)["served_entities"]
    counts = [found["requests"] for found in answered.values()]
    assert sum(counts) == 400
    assert binomtest(counts[0], 400, 0.5).pvalue > 1e-6

    printed = run(30_000)
    assert "No evidence that the Challenger is better: the Champion is kept" in printed
    assert "ab.html of version" in printed
    assert shares(laptop) == {"1": 100}
    tags, aliases = describe(laptop, version)
    assert tags["decision"] == "keep"
    assert aliases["Champion"] == 1
