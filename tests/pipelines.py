"""The pipelines of CI, read from each platform's dialect into one form."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.declared import ROOT, branch_of

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
AZURE = ROOT / "azure-pipelines.yml"
GITLAB = ROOT / ".gitlab-ci.yml"
MAIN, RELEASE = branch_of("staging"), branch_of("prod")

STAGING = (
    "databricks bundle validate --strict -t staging",
    "databricks bundle deploy -t staging",
    "make integration TARGET=staging",
)
# What each occasion runs, in this order and in every dialect.
ORDER = {
    "pull request": (
        "make lint",
        "make test SLOW=1",
        "make demo",
        "databricks bundle validate --strict -t test",
        "databricks bundle deploy -t test",
        "make integration TARGET=test",
        "databricks bundle run teardown -t test",
        "databricks bundle destroy --auto-approve --force-lock -t test",
    ),
    "push": STAGING,
    "nightly": STAGING,
    "release": (
        "make wheel",
        "databricks bundle validate --strict -t prod",
        "make plan TARGET=prod",
        "make release TARGET=prod",
        "make retrain TARGET=prod",
    ),
}
# The occasion that a push to a branch is.
PUSHED = {MAIN: "push", RELEASE: "release"}
COMMANDS = {command for commands in ORDER.values() for command in commands}
# The occasions that a term of a condition lets by; terms narrow each other.
TERMS = {
    f"github.ref == 'refs/heads/{MAIN}'": {"push", "nightly"},
    f"github.ref == 'refs/heads/{RELEASE}'": {"release"},
    "eq(variables['Build.Reason'], 'PullRequest')": {"pull request"},
    f"eq(variables['Build.SourceBranch'], 'refs/heads/{MAIN}')": {"push", "nightly"},
    f"eq(variables['Build.SourceBranch'], 'refs/heads/{RELEASE}')": {"release"},
    '$CI_PIPELINE_SOURCE == "merge_request_event"': {"pull request"},
    f'$CI_COMMIT_BRANCH == "{MAIN}"': {"push", "nightly"},
    f'$CI_COMMIT_BRANCH == "{RELEASE}"': {"release"},
}


@dataclass(frozen=True)
class Step:
    """A shell command with its variables; an action or task has none."""

    command: str
    always: bool
    variables: Mapping[str, str]


@dataclass(frozen=True)
class Job:
    """A job of any dialect.

    Attributes:
        after: The jobs it waits for; None where it waits for all earlier stages.
        lock: What keeps two runs of it apart, and cancels neither.
    """

    dialect: str
    name: str
    after: tuple[str, ...] | None
    condition: str
    occasions: frozenset[str]
    environment: str | None
    identity: bool
    cached: bool
    timeout: Any
    lock: str | None
    steps: tuple[Step, ...]

    def commands(self) -> list[str]:
        return [step.command for step in self.steps if step.command in COMMANDS]


def as_names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def narrow(condition: str) -> set[str]:
    """Name the occasions on which a condition lets a job run."""
    assert not re.search(r"\|\||\bor\(", condition), condition
    named = [occasions for term, occasions in TERMS.items() if term in condition]
    return set(ORDER).intersection(*named)


def read_github() -> Iterator[Job]:
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        on = workflow[True]  # YAML 1.1 takes the key for a truth value.
        triggers = {"pull request"} if "pull_request" in on else set()
        triggers |= {"nightly"} if "schedule" in on else set()
        triggers |= {PUSHED[branch] for branch in (on.get("push") or {}).get("branches", [])}
        for name, job in workflow["jobs"].items():
            held = job.get("concurrency") or workflow.get("concurrency") or {}
            steps = tuple(
                Step(
                    command=step.get("run", ""),
                    always=step.get("if") == "always()",
                    variables={**job.get("env", {}), **step.get("env", {})},
                )
                for step in job["steps"]
            )
            yield Job(
                dialect="github",
                name=name,
                after=as_names(job.get("needs")),
                condition=job.get("if", ""),
                occasions=frozenset(triggers & narrow(job.get("if", ""))),
                environment=job.get("environment"),
                identity=job["permissions"].get("id-token") == "write",
                cached=any(step.get("with", {}).get("enable-cache") for step in job["steps"]),
                timeout=job.get("timeout-minutes"),
                lock=None if held.get("cancel-in-progress") else held.get("group"),
                steps=steps,
            )


def read_azure() -> Iterator[Job]:
    pipeline = yaml.safe_load(AZURE.read_text())
    nightly = any(MAIN in s["branches"]["include"] for s in pipeline["schedules"])
    triggers = {"pull request"} if "pr" in pipeline else set()
    triggers |= {PUSHED[branch] for branch in pipeline["trigger"]["branches"]["include"]}
    triggers |= {"nightly"} if nightly else set()
    for stage in pipeline["stages"]:
        (job,) = stage["jobs"]
        deployed = job.get("strategy", {}).get("runOnce", {}).get("deploy")
        written = (deployed or job)["steps"]
        steps = tuple(
            Step(
                command=step.get("script", ""),
                always=step.get("condition") == "always()",
                variables={**pipeline["variables"], **step.get("env", {})},
            )
            for step in written
        )
        sequential = deployed and stage.get("lockBehavior") == "sequential"
        yield Job(
            dialect="azure",
            name=stage["stage"],
            after=as_names(stage.get("dependsOn")),
            condition=stage["condition"],
            occasions=frozenset(triggers & narrow(stage["condition"])),
            environment=job.get("environment"),
            identity=any("SYSTEM_ACCESSTOKEN" in step.variables for step in steps),
            cached=any(step.get("task", "").startswith("Cache@") for step in written),
            timeout=job.get("timeoutInMinutes"),
            lock=job.get("environment") if sequential else None,
            steps=steps,
        )


def read_gitlab() -> Iterator[Job]:
    pipeline = yaml.safe_load(GITLAB.read_text())
    triggers = {found for rule in pipeline["workflow"]["rules"] for found in narrow(rule["if"])}
    jobs = {name: job for name, job in pipeline.items() if "script" in job and name[0] != "."}
    for name, job in sorted(
        jobs.items(), key=lambda job: pipeline["stages"].index(job[1]["stage"])
    ):
        (rule,) = job["rules"]
        environment = job.get("environment")
        yield Job(
            dialect="gitlab",
            name=name,
            after=tuple(job["needs"]) if "needs" in job else None,
            condition=rule["if"],
            occasions=frozenset(triggers & narrow(rule["if"])),
            environment=environment["name"] if isinstance(environment, dict) else environment,
            identity="id_tokens" in job,
            cached="cache" in job,
            timeout=job.get("timeout"),
            lock=job.get("resource_group"),
            steps=tuple(
                Step(
                    command=command,
                    always=rule.get("when") == "always",
                    variables=job.get("variables", {}),
                )
                for command in [*job.get("before_script", []), *job["script"]]
            ),
        )


# The dialects that stand here.
READERS: dict[str, Callable[[], Iterator[Job]]] = {
    name: reader
    for name, reader, path in (
        ("github", read_github, ROOT / ".github" / "workflows"),
        ("azure", read_azure, AZURE),
        ("gitlab", read_gitlab, GITLAB),
    )
    if path.exists()
}
JOBS = [job for reader in READERS.values() for job in reader()]
TEXTS = {path.name: path.read_text() for path in (*WORKFLOWS, AZURE, GITLAB) if path.exists()}
