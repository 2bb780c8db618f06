"""Task: judge a registered version; let it challenge, or fail with the reasons."""

from dataclasses import asdict
from functools import partial

from ..contract import load_policy, select_labelled_rows
from ..lakehouse.context import Lakehouse
from ..lakehouse.registry import (
    STATUS_TAG,
    ModelVersion,
    move_alias,
    parse_model_uri,
    read_version,
    tag_version,
    take_alias,
)
from ..lakehouse.scoring import has_signature, predict_as_served, score
from ..lifecycle import (
    CHALLENGER,
    Evidence,
    Failed,
    Policy,
    UnusableInputError,
    Verdict,
    judge,
    largest_difference,
    split,
)
from ..problem import PROBLEM
from .parameters import Parameters, SchemaName, Text, in_schema

REPORT = "validation.json"


class ValidationFailedError(Exception):
    """The version did not pass; the job stops here and people are told."""


class ValidateParameters(Parameters):
    """What the task is told.

    Attributes:
        model_uri: The version to judge, as train left it.
        source: Schema of the feature tables, with its catalog.
        policy: Policy file under conf/.
    """

    model_uri: str
    source: SchemaName
    policy: Text


def run(parameters: ValidateParameters, lakehouse: Lakehouse) -> None:
    """Gather the evidence, judge it, and record the verdict where deploy reads it.

    Raises:
        ValidationFailedError: The verdict is FAILED.
    """
    policy = load_policy(parameters.policy, PROBLEM.kind)
    model, number = parse_model_uri(parameters.model_uri)
    version = read_version(lakehouse.registry, model, number)
    evidence = gather_evidence(version, policy, parameters.source, lakehouse)
    verdict = judge(evidence, policy.validation)
    print_checks(verdict)
    record(verdict, version, lakehouse)
    if isinstance(verdict, Failed):
        take_alias(lakehouse.registry, version, CHALLENGER)
        raise ValidationFailedError(
            f"Version {version.version} of {version.model} failed validation. {verdict.reason}"
        )
    move_alias(lakehouse.registry, version, CHALLENGER)
    print(f"Version {version.version} of {version.model} passed and is {CHALLENGER}.")


def gather_evidence(
    version: ModelVersion, policy: Policy, source: str, lakehouse: Lakehouse
) -> Evidence:
    """Predict the held-out rows, also in the served form, and read what the registry has."""
    as_of = version.require_as_of()
    holdout = split(as_of, policy.windows).holdout
    qualify = partial(in_schema, source)
    rows = select_labelled_rows(lakehouse.spark, PROBLEM, qualify, holdout, as_of)
    scored = score(lakehouse.feature_store, version.uri, rows)
    try:
        served = predict_as_served(version.uri, scored[list(PROBLEM.inputs)])
        difference = largest_difference(scored["prediction"], served)
    except UnusableInputError:
        # The gate lists what is wrong with the predictions; here only the figure is missing.
        difference = None
    inputs, outputs = has_signature(version.uri)
    return Evidence(
        kind=PROBLEM.kind,
        labels=scored[PROBLEM.label.column],
        predictions=scored["prediction"],
        slices={c: scored[c] for c in policy.validation.slices.columns if c in scored},
        served_difference=difference,
        signature_inputs=inputs,
        signature_outputs=outputs,
        description=version.description,
        tags=version.tags,
    )


def print_checks(verdict: Verdict) -> None:
    """Print every check, the failed ones marked."""
    for check in verdict.checks:
        print(f"{'ok    ' if check.ok else 'FAILED'} {check.name}: {check.detail}")


def record(verdict: Verdict, version: ModelVersion, lakehouse: Lakehouse) -> None:
    """Write the report as an artifact, and status and summary as tags of the version."""
    report = {
        "model": version.model,
        "version": version.version,
        "status": verdict.status,
        "reason": verdict.reason,
        "checks": [asdict(check) for check in verdict.checks],
    }
    lakehouse.registry.log_dict(version.run_id, report, REPORT)
    tag_version(
        lakehouse.registry,
        version,
        validation_reason=verdict.reason,
        validation_report=f"runs:/{version.run_id}/{REPORT}",
        **{STATUS_TAG: verdict.status},
    )
    lakehouse.set_task_value("status", verdict.status)


def main() -> None:
    """Run the task from its command line."""
    run(ValidateParameters.parse(), Lakehouse())
