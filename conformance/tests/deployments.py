"""Deployments of the tests: checkout, target, identity and workspace."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from conformance.tests.commands import Databricks, Result
from conformance.tests.projects import Project
from conformance.tests.workspaces import SERVICE_PRINCIPAL, USER, Identity, Workspace


@dataclass(frozen=True)
class Target:
    """A target of the bundle with the branch and the identity that deploy it."""

    name: str
    branch: str
    identity: Identity
    variables: dict[str, str]
    root_path: str


_PRINCIPAL = {"service_principal": SERVICE_PRINCIPAL.user_name, "readers": "analysts"}
_OF_USER = f"/Workspace/Users/{USER.user_name}/.bundle/flight_delays"
_OF_PRINCIPAL = f"/Workspace/Users/{SERVICE_PRINCIPAL.user_name}/.bundle/flight_delays"

DEV = Target("dev", "feature", USER, {}, f"{_OF_USER}/dev")
TEST = Target(
    "test", "feature", SERVICE_PRINCIPAL, {"pull_request": "17"}, f"{_OF_PRINCIPAL}/pr_17"
)
STAGING = Target("staging", "main", SERVICE_PRINCIPAL, _PRINCIPAL, f"{_OF_PRINCIPAL}/staging")
PROD = Target("prod", "release", SERVICE_PRINCIPAL, _PRINCIPAL, f"{_OF_PRINCIPAL}/prod")

TEMPORARY = (DEV, TEST)
KEPT = (STAGING, PROD)
TARGETS = (*TEMPORARY, *KEPT)


@dataclass(frozen=True)
class Deployment:
    """A target in a workspace, deployed from a checkout."""

    target: Target
    project: Project
    workspace: Workspace
    databricks: Databricks

    def deploy(self, *flags: str) -> Result:
        """Deploy the bundle without checking the exit code."""
        return self("deploy", *flags)

    def plan(self) -> str:
        """Return the output of `databricks bundle plan`."""
        return self("plan").succeed().out

    def __call__(self, command: str, *flags: str) -> Result:
        """Run `databricks bundle COMMAND` for the target."""
        return self.databricks("bundle", command, "--target", self.target.name, *flags)

    def check_out_again(self, root: Path) -> "Deployment":
        """Return a deployment from another checkout of the same commit."""
        project = self.project.copy(root)
        return replace(self, project=project, databricks=replace(self.databricks, folder=root))


Open = Callable[[Target], Deployment]


def each(*targets: Target) -> pytest.MarkDecorator:
    """Parametrize the argument `target`."""
    return pytest.mark.parametrize("target", targets, ids=lambda target: target.name)
