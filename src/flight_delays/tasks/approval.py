"""Approval of a version by a person: request, check and withdraw it.

Also the tasks evaluation and Approval_Check of the job deployment.
"""

import json
from time import monotonic, sleep

from mlflow.exceptions import MlflowException
from pydantic import PositiveInt

from ..config.promotion import load_promotion
from ..lakehouse.context import Lakehouse
from ..lakehouse.errors import LakehouseError
from ..lakehouse.model_logging import DIGEST_TAG
from ..lakehouse.registry import HIDDEN, read_aliases, read_version, tag_version
from ..promotion.approval import (
    APPROVAL_TAG,
    APPROVED,
    ASKED_TAG,
    Approval,
    apply_approval,
    find_answered,
    read_approval,
)
from ..promotion.decide import CHAMPION, Decision, Failed, Passed
from ..promotion.model_version import ModelVersion
from .parameters import FullName, Parameters

# Train may take two hours, and validate one.
VERDICT_WITHIN, PAUSE = 7200.0, 15.0


class ApprovalError(LakehouseError):
    """A version is not approved, or no approval can be requested."""


class VersionParameters(Parameters):
    """Parameters of the tasks evaluation and Approval_Check, which Databricks passes to the job."""

    model_name: FullName
    model_version: PositiveInt


def evaluate(
    parameters: VersionParameters, lakehouse: Lakehouse, within: float = VERDICT_WITHIN
) -> None:
    """Wait for the verdict of validate, and request an approval if the version passed.

    Raises:
        ApprovalError: The version failed, or there was no verdict in time.
    """
    version = await_verdict(parameters, lakehouse, within)
    name = f"Version {version.version} of {version.model}"
    if version.status != Passed.status:
        reason = version.tags.get("validation_reason", "no reason is recorded")
        raise ApprovalError(
            f"{name} failed validation, so there is nothing to approve: {reason} Train again."
        )
    print(f"{name} passed validation.")
    champion = read_aliases(lakehouse.registry, version.model).get(CHAMPION)
    if champion != version.version:
        ask(version, champion, lakehouse)


def await_verdict(
    parameters: VersionParameters, lakehouse: Lakehouse, within: float
) -> ModelVersion:
    """Return a version once it has a verdict.

    Raises:
        ApprovalError: There was no verdict in time.
    """
    until = monotonic() + within
    while True:
        version = read_version(lakehouse.registry, parameters.model_name, parameters.model_version)
        if version.status in (Passed.status, Failed.status):
            return version
        if monotonic() > until:
            raise ApprovalError(
                f"Version {version.version} of {version.model} has the status {version.status!r} "
                f"after {within / 3600:.0f} hours; {Passed.status} or {Failed.status} was "
                "expected of validate. Look at its run of model_training, then run the job "
                "deployment again."
            )
        sleep(PAUSE)


def check(parameters: VersionParameters, lakehouse: Lakehouse) -> None:
    """Check that a version was approved against the present Champion.

    Raises:
        ApprovalError: It was not; the approval is requested, and an outdated one withdrawn.
    """
    version = read_version(lakehouse.registry, parameters.model_name, parameters.model_version)
    champion = read_aliases(lakehouse.registry, version.model).get(CHAMPION)
    if champion == version.version:
        print(f"Version {version.version} of {version.model} is the {CHAMPION} already.")
        return
    approval = find_approval(version, champion)
    if approval.stands:
        print(f"Version {approval.version} of {version.model} is approved: {approval.request}")
        return
    decided = version.tags.get("decision_reason")
    before = f"Deploy has decided before: {decided}\n" if decided else ""
    raise ApprovalError(f"{before}{require(version, approval, lakehouse)}")


def find_approval(version: ModelVersion, champion: int | None) -> Approval:
    """Return the approval that a version needs against the Champion, and its state."""
    return read_approval(version, champion, version.tags.get(DIGEST_TAG))


def hold(decision: Decision, approval: Approval, target: str) -> Decision:
    """Return the decision, which is to promote only if the required approval was given."""
    required = load_promotion().requires_approval(target)
    return apply_approval(decision, approval, required=required)


def require(version: ModelVersion, approval: Approval, lakehouse: Lakehouse) -> str:
    """Request an approval, and return why it is needed and how to give it."""
    ask(version, approval.champion, lakehouse)
    return f"{approval.missing} {explain(version, approval, lakehouse)}"


def ask(version: ModelVersion, champion: int | None, lakehouse: Lakehouse) -> None:
    """Record the request for an approval; remove an answer to another request first.

    Raises:
        ApprovalError: An outdated answer cannot be removed.
    """
    version = read_version(lakehouse.registry, version.model, version.version)
    approval = find_approval(version, champion)
    if approval.is_asked:
        return
    withdraw(version, lakehouse)
    tag_version(lakehouse.registry, version, **{ASKED_TAG: approval.request})
    print(f"Asked for an approval: {approval.request}")


def withdraw(version: ModelVersion, lakehouse: Lakehouse) -> None:
    """Remove the tags of an approval and of its request.

    Raises:
        ApprovalError: A tag cannot be removed.
    """
    for tag in find_answered(version.tags):
        try:
            lakehouse.registry.delete_model_version_tag(version.model, str(version.version), tag)
        except MlflowException as error:
            raise ApprovalError(
                f"Tag {tag} of version {version.version} of {version.model} no longer holds and "
                f"could not be removed: {error.message} Ask somebody who may assign it to "
                "remove it, then run the task again."
            ) from error
        print(f"Removed the tag {tag}, {version.tags[tag]!r}: it no longer holds.")


def explain(version: ModelVersion, approval: Approval, lakehouse: Lakehouse) -> str:
    """Return the text of a request: version, links to its figures, both ways to approve it."""
    host = lakehouse.workspace.config.host
    model, number = version.model, version.version
    tag = {"name": model, "version": str(number), "key": APPROVAL_TAG, "value": APPROVED}
    return (
        f"To approve: version {number} of {model} against {approval.incumbent}."
        f"\nIts page: {version.tags.get('validation_report', 'none')}"
        f"\nThe version: {host}/explore/data/models/{model.replace('.', '/')}/version/{number}"
        "\nApprove it there, in its run of the job deployment. Or, from a pipeline whose "
        "environment has reviewers, set the tag and start the job deployment with "
        f"model_name={model}, model_version={number}:"
        "\n  databricks api post /api/2.0/mlflow/unity-catalog/model-versions/set-tag "
        f"--json '{json.dumps(tag)}'"
        "\nThe registry does not record who approves: docs/approval.md says how a second person "
        "is made to."
    )


def link_job(model: str, job: str, target: str, lakehouse: Lakehouse) -> None:
    """Set the model's deployment job if approvals are required, else remove it.

    A link to another job is not removed.
    """
    linked = find_link(model, lakehouse)
    wanted = job if load_promotion().requires_approval(target) else ""
    if linked == wanted or (not wanted and linked != job):
        return
    lakehouse.registry.update_registered_model(model, deployment_job_id=wanted)
    print(f"{model} is linked with the job {wanted}." if wanted else f"{model} is not linked.")


def unlink_job(model: str, lakehouse: Lakehouse) -> None:
    """Remove the model's link to its deployment job if there is one."""
    if linked := find_link(model, lakehouse):
        lakehouse.registry.update_registered_model(model, deployment_job_id="")
        print(f"link of {model} with job {linked} removed")


def find_link(model: str, lakehouse: Lakehouse) -> str:
    """Return the deployment job of a model; empty without a job or model."""
    try:
        return lakehouse.registry.get_registered_model(model).deployment_job_id or ""
    except MlflowException as error:
        if error.error_code not in HIDDEN:
            raise
        return ""


def run_evaluation() -> None:
    """Run the task evaluation from its command line."""
    evaluate(VersionParameters.parse(), Lakehouse())


def run_approval_check() -> None:
    """Run the task Approval_Check from its command line."""
    check(VersionParameters.parse(), Lakehouse())
