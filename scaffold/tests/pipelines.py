"""CI pipelines of all platforms in a common form.

They are read from this repository, or from the project in the environment variable `PROJECT`.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from conformance.tests import projects

ROOT = Path(os.environ.get("PROJECT", projects.ROOT))
_ANSWERS = json.loads((ROOT / ".template-answers.json").read_text())
NAME = _ANSWERS["project_name"]
# Whether the repository contains several projects.
MONOREPO = _ANSWERS["monorepo"] == "yes"
FOLDER = NAME if MONOREPO else "."
# Prefix of the names of environments, locks and GitLab's jobs.
PREFIX = f"{NAME.replace('_', '-')}-"

_TOP = ROOT.parent if MONOREPO else ROOT
_OWN = f"{NAME}.*.yml" if MONOREPO else "*.yml"
# Only in this repository, not in projects.
OF_THE_REPOSITORY = "nightly.yml"
WORKFLOWS = sorted(
    path for path in (_TOP / ".github" / "workflows").glob(_OWN) if path.name != OF_THE_REPOSITORY
)
AZURE = ROOT / "azure-pipelines.yml"
GITLAB = ROOT / ".gitlab-ci.yml"
MAIN, RELEASE = _ANSWERS["default_branch"], _ANSWERS["release_branch"]

STAGING = (
    "databricks bundle validate --strict -t staging",
    "databricks bundle deploy -t staging",
    "make integration TARGET=staging",
)
# Commands of each occasion, in this order on all platforms.
ORDER = {
    "pull request": (
        "make lint",
        "make test",
        "make test-slow",
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
# Occasion of a push by branch.
PUSHED = {MAIN: "push", RELEASE: "release"}
# One command as two calls, because agents time out before its run ends: the second resumes it.
PARTS = {
    f"make integration TARGET={target} {part}": f"make integration TARGET={target}"
    for target in ("test", "staging")
    for part in ("MINUTES=40", "RESUME=1")
}
COMMANDS = {command for commands in ORDER.values() for command in commands} | {*PARTS}
# Occasions that satisfy a term of a condition; several terms are intersected.
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
    """A shell command with its variables; empty for an action or task."""

    command: str
    folder: str
    always: bool
    variables: Mapping[str, str]


@dataclass(frozen=True)
class Job:
    """A job of any platform.

    Attributes:
        after: Jobs that it depends on; None for all jobs of earlier stages.
        minutes: Time-out.
        lock: Concurrency group that serializes runs without cancelling any.
        filters: Path filters by triggering event.
        files: Files and folders of artifacts and of cache keys.
    """

    dialect: str
    name: str
    after: tuple[str, ...] | None
    condition: str
    occasions: frozenset[str]
    environment: str | None
    identity: bool
    cached: bool
    minutes: int
    lock: str | None
    filters: tuple[tuple[str, ...], ...]
    files: tuple[str, ...]
    steps: tuple[Step, ...]

    def commands(self) -> list[str]:
        return [step.command for step in self.steps if step.command in COMMANDS]


def as_names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def read_minutes(timeout: object) -> int:
    """Return the minutes of a time-out given as a number or as `3 hours`; 0 if there is none."""
    number, _, unit = str(timeout or 0).partition(" ")
    return int(number) * {"": 1, "minutes": 1, "hours": 60}[unit]


def strip_prefix(name: str) -> str:
    """Return a name without the project's prefix."""
    assert name.startswith(PREFIX), name
    return name.removeprefix(PREFIX)


def name_environment(job: Mapping[str, Any]) -> str | None:
    """Return the environment of a job, given as a name or as a mapping."""
    written = job.get("environment")
    name = written["name"] if isinstance(written, dict) else written
    return strip_prefix(name) if name else None


def narrow(condition: str) -> set[str]:
    """Return the occasions on which a condition is true."""
    assert not re.search(r"\|\||\bor\(", condition), condition
    named = [occasions for term, occasions in TERMS.items() if term in condition]
    return set(ORDER).intersection(*named)


def read_github() -> Iterator[Job]:
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        on = workflow[True]  # YAML 1.1 parses the key `on` as true.
        triggers = {"pull request"} if "pull_request" in on else set()
        triggers |= {"nightly"} if "schedule" in on else set()
        triggers |= {PUSHED[branch] for branch in (on.get("push") or {}).get("branches", [])}
        events = [on[event] or {} for event in ("pull_request", "push") if event in on]
        folder = workflow.get("defaults", {}).get("run", {}).get("working-directory", ".")
        for name, job in workflow["jobs"].items():
            held = job.get("concurrency") or workflow.get("concurrency") or {}
            steps = tuple(
                Step(
                    command=step.get("run", ""),
                    folder=step.get("working-directory", folder),
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
                environment=name_environment(job),
                identity=job["permissions"].get("id-token") == "write",
                cached=any(step.get("with", {}).get("enable-cache") for step in job["steps"]),
                minutes=read_minutes(job.get("timeout-minutes")),
                lock=None if held.get("cancel-in-progress") else held.get("group"),
                filters=tuple(tuple(event.get("paths", ())) for event in events),
                files=tuple(
                    path
                    for step in job["steps"]
                    if "-artifact@" in step.get("uses", "")
                    for path in step["with"].get("path", ".").split()
                ),
                steps=steps,
            )


def read_azure() -> Iterator[Job]:
    pipeline = yaml.safe_load(AZURE.read_text())
    nightly = any(MAIN in s["branches"]["include"] for s in pipeline["schedules"])
    triggers = {"pull request"} if "pr" in pipeline else set()
    triggers |= {PUSHED[branch] for branch in pipeline["trigger"]["branches"]["include"]}
    triggers |= {"nightly"} if nightly else set()
    for stage in pipeline["stages"]:
        for job in stage["jobs"]:
            yield read_azure_job(pipeline, triggers, stage, job)


def read_azure_job(
    pipeline: Mapping[str, Any],
    triggers: set[str],
    stage: Mapping[str, Any],
    job: Mapping[str, Any],
) -> Job:
    deployed = job.get("strategy", {}).get("runOnce", {}).get("deploy")
    written = (deployed or job)["steps"]
    # After a failure, later jobs of a stage start only with condition `always()`.
    starts = "dependsOn" not in job or job.get("condition") == "always()"
    steps = tuple(
        Step(
            command=step.get("script", ""),
            folder=step.get("workingDirectory", "."),
            always=starts and step.get("condition") == "always()",
            variables={**pipeline["variables"], **step.get("env", {})},
        )
        for step in written
    )
    sequential = deployed and stage.get("lockBehavior") == "sequential"
    return Job(
        dialect="azure",
        name=job.get("job") or job["deployment"],
        after=as_names(job["dependsOn"] if "dependsOn" in job else stage.get("dependsOn")),
        condition=stage["condition"],
        occasions=frozenset(triggers & narrow(stage["condition"])),
        environment=name_environment(job),
        identity=any("SYSTEM_ACCESSTOKEN" in step.variables for step in steps),
        cached=any(step.get("task", "").startswith("Cache@") for step in written),
        minutes=read_minutes(job.get("timeoutInMinutes")),
        lock=job.get("environment") if sequential else None,
        filters=tuple(
            tuple(pipeline[event].get("paths", {}).get("include", ()))
            for event in ("trigger", "pr")
        ),
        files=tuple(path for step in written for path in list_azure_files(step)),
        steps=steps,
    )


def list_azure_files(step: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files of a step's artifacts and of its cache key."""
    inputs = step.get("inputs", {})
    if "key" in inputs:
        yield inputs["key"].split(" | ")[-1]
    for path in (step.get("publish"), inputs.get("testResultsFiles")):
        if path:
            yield path
    if "targetPath" in inputs:
        yield inputs["targetPath"].removeprefix("$(Build.SourcesDirectory)").lstrip("/") or "."


def read_gitlab() -> Iterator[Job]:
    pipeline = yaml.safe_load(GITLAB.read_text())
    # In a monorepo, a workflow rule would apply to all projects; only jobs have rules there.
    rules = pipeline.get("workflow", {}).get("rules", ())
    triggers = {found for rule in rules for found in narrow(rule["if"])} or set(ORDER)
    jobs = {name: job for name, job in pipeline.items() if "script" in job and name[0] != "."}
    for name, job in sorted(
        jobs.items(), key=lambda job: pipeline["stages"].index(job[1]["stage"])
    ):
        (rule,) = job["rules"]
        commands = [*job.get("before_script", []), *job["script"]]
        entered = [one.removeprefix("cd ") for one in commands if one.startswith("cd ")]
        kept = job.get("artifacts", {})
        yield Job(
            dialect="gitlab",
            name=strip_prefix(name),
            after=tuple(map(strip_prefix, job["needs"])) if "needs" in job else None,
            condition=rule["if"],
            occasions=frozenset(triggers & narrow(rule["if"])),
            environment=name_environment(job),
            identity="id_tokens" in job,
            cached="cache" in job,
            minutes=read_minutes(job.get("timeout")),
            lock=job.get("resource_group"),
            filters=(tuple(rule.get("changes", ())),),
            files=(
                *kept.get("paths", ()),
                *kept.get("reports", {}).values(),
                *job.get("cache", {}).get("key", {}).get("files", ()),
            ),
            steps=tuple(
                Step(
                    command=command,
                    folder="/".join(entered) or ".",
                    always=rule.get("when") == "always",
                    variables=job.get("variables", {}),
                )
                for command in commands
            ),
        )


# Platforms with pipelines here.
READERS: dict[str, Callable[[], Iterator[Job]]] = {
    name: reader
    for name, reader, stands in (
        ("github", read_github, bool(WORKFLOWS)),
        ("azure", read_azure, AZURE.exists()),
        ("gitlab", read_gitlab, GITLAB.exists()),
    )
    if stands
}
JOBS = [job for reader in READERS.values() for job in reader()]
TEXTS = {path.name: path.read_text() for path in (*WORKFLOWS, AZURE, GITLAB) if path.exists()}
