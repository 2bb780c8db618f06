"""The laptop reads a bundle as the CLI does."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from laptop.bundle import Identity as Resolver
from laptop.bundle import resolve, resolve_ids

from conformance.tests.commands import Databricks
from conformance.tests.deployments import TARGETS, Open, Target, each
from conformance.tests.projects import copy_sample
from conformance.tests.workspaces import SERVICE_PRINCIPAL, USER, WAREHOUSES, Identity, Workspace

# What is not compared, and why.
APART = {
    # A number that the workspace gives an identity; nothing that runs reads it.
    ("workspace", "current_user", "id"),
    # The laptop has no clusters: it carries their settings as they are written.
    ("resources", "jobs", "main", "job_clusters", 0, "new_cluster"),
}
# What the Jobs service adds to the settings that it is given.
ADDED = {"email_notifications", "run_if", "webhook_notifications"}

SAMPLES = [
    ("overrides", "bundle", "plain"),
    ("overrides", "bundle", "changed"),
    ("permissions", ".", "base"),
    ("permissions", ".", "more"),
    ("prefixes", ".", "bare"),
    ("prefixes", ".", "mine"),
    ("prefixes", ".", "named"),
    ("prefixes", ".", "request"),
    ("prefixes", ".", "odd"),
    ("prefixes", ".", "main"),
    ("starter", ".", "dev"),
    ("starter", ".", "prod"),
    ("stack", ".", "dev"),
    ("stack", ".", "staging"),
    ("stack", ".", "own"),
    ("parcel", ".", "default"),
]


@each(*TARGETS)
def test_the_laptop_resolves_the_bundle_as_the_cli_does(open_target: Open, target: Target) -> None:
    deployment = open_target(target)
    validated = deployment("validate", "--output", "json").succeed().json
    assert validated["resources"]["jobs"]
    bundle = resolve(
        deployment.project.root,
        target=target.name,
        variables=target.variables,
        identity=describe(target.identity),
        warehouses=WAREHOUSES,
    )
    assert list(find_differences(validated, bundle.config)) == []


@pytest.mark.parametrize("identity", [USER, SERVICE_PRINCIPAL], ids=["user", "principal"])
@pytest.mark.parametrize(("sample", "folder", "target"), SAMPLES)
def test_the_laptop_resolves_an_odd_bundle_as_the_cli_does(
    cli: Path, url: str, tmp_path: Path, sample: str, folder: str, target: str, identity: Identity
) -> None:
    root = copy_sample(sample, tmp_path / "checkout").root / folder
    databricks = Databricks(cli, tmp_path, root, Workspace(url, "samples"), identity, {})
    result = databricks("bundle", "validate", "--output", "json", "--target", target)
    bundle = resolve(root, target=target, identity=describe(identity), warehouses=WAREHOUSES)
    assert list(find_differences(result.succeed().json, bundle.config)) == []


@each(*TARGETS)
def test_the_laptop_runs_the_jobs_that_the_cli_deploys(open_target: Open, target: Target) -> None:
    deployment = open_target(target)
    deployment.deploy().succeed()
    state = deployment.workspace.read_state()
    deployed = {job["settings"]["name"]: job["settings"] for job in state["jobs"].values()}
    bundle = resolve(
        deployment.project.root,
        target=target.name,
        variables=target.variables,
        identity=describe(target.identity),
        warehouses=WAREHOUSES,
    )
    ids = {job["settings"]["name"]: number for number, job in state["jobs"].items()}
    numbers = {key: {"id": str(ids[job["name"]])} for key, job in bundle.jobs.items()}
    jobs = resolve_ids(bundle, {"jobs": numbers}).jobs
    assert {job["name"] for job in jobs.values()} == set(deployed)
    for job in jobs.values():
        uploaded = replace_wheels(strip_additions(deployed[job["name"]]), wheel="./dist/*.whl")
        wanted = {key: value for key, value in job.items() if key != "permissions"}
        # A number there, a text here until the job is made.
        left = [
            at for at, one, other in find_differences(uploaded, wanted) if str(one) != str(other)
        ]
        assert left == []


def describe(identity: Identity) -> Resolver:
    return Resolver(identity.user_name, identity.short_name)


def find_differences(
    one: Any, other: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    """Yield each place where two configurations differ, but for those apart."""
    if path in APART:
        return
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted(one.keys() | other.keys()):
            missing = object()
            yield from find_differences(
                one.get(key, missing), other.get(key, missing), (*path, key)
            )
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from find_differences(left, right, (*path, index))
    elif (type(one), one) != (type(other), other):
        yield path, one, other


def strip_additions(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: strip_additions(item)
            for key, item in value.items()
            if not (key in ADDED and item in ({}, "ALL_SUCCESS"))
            and (key, item) != ("timeout_seconds", 0)
        }
    return [strip_additions(item) for item in value] if isinstance(value, list) else value


def replace_wheels(value: Any, *, wheel: str) -> Any:
    """Replace the wheels that were uploaded by the pattern that the bundle names."""
    if isinstance(value, dict):
        return {key: replace_wheels(item, wheel=wheel) for key, item in value.items()}
    if isinstance(value, list):
        return [replace_wheels(item, wheel=wheel) for item in value]
    return wheel if isinstance(value, str) and value.endswith(".whl") else value
