"""Task: validate a registered version: PASSED and Challenger, or FAILED with the reasons."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pandas as pd

from ..config.policy import Policy, load_policy
from ..errors import UnusableInputError
from ..evaluation.availability import compare_availability
from ..evaluation.metrics import largest_difference
from ..evaluation.side_by_side import Freshness, measure_figures
from ..lakehouse.context import Lakehouse
from ..lakehouse.model_logging import write_predictions
from ..lakehouse.registry import (
    parse_model_uri,
    read_aliases,
    read_version,
    remove_alias,
    set_alias,
    tag_version,
)
from ..lakehouse.scoring import has_signature, predict_as_served
from ..lakehouse.validation_results import RESULTS, write_results
from ..problem import PROBLEM
from ..promotion.decide import CHALLENGER, CHAMPION, Failed, Verdict
from ..promotion.gate import Evidence, validate
from ..promotion.model_version import STATUS_TAG, ModelVersion
from ..reports import Incumbent, Report, write_report
from .comparison import INCUMBENT, INCUMBENT_VERSION, add_incumbent, compare_predictions
from .holdout import Holdout, OtherRows, load_holdout, score_holdout, score_other_rows
from .parameters import Name, Parameters, SchemaName, Text, in_schema

REPORT = "validation.html"


class ValidationFailedError(Exception):
    """The version did not pass; the job stops here and sends its notifications."""


class ValidateParameters(Parameters):
    """Parameters of the validate task.

    Attributes:
        model_uri: The version to validate, from train.
        source: Schema of the feature tables, with its catalog.
        target: Schema that takes the table of results, with its catalog.
        policy: Policy file under conf/.
        job_run: Run of the job.
    """

    model_uri: str
    source: SchemaName
    target: SchemaName
    policy: Text
    job_run: Name


def run(parameters: ValidateParameters, lakehouse: Lakehouse) -> None:
    """Gather the evidence, validate it, and record the verdict for deploy and for people.

    Raises:
        ValidationFailedError: The verdict is FAILED.
    """
    policy = load_policy(parameters.policy, PROBLEM.model_type)
    model, number = parse_model_uri(parameters.model_uri)
    version = read_version(lakehouse.registry, model, number)
    holdout = load_holdout(version.require_as_of(), policy, parameters.source, lakehouse)
    scored = score_holdout(version, holdout, lakehouse)
    others = score_other_rows(version, holdout, policy, parameters.source, lakehouse)
    evidence = gather_evidence(version, policy, scored, others)
    verdict = validate(evidence, policy.validation)
    print_checks(verdict)
    judged_at = datetime.now(UTC)
    results = in_schema(parameters.target, RESULTS)
    write_results(
        lakehouse.spark,
        results,
        version,
        verdict.checks,
        job_run=parameters.job_run,
        judged_at=judged_at,
    )
    report = Report(
        model=model,
        version=number,
        as_of=version.require_as_of(),
        judged_at=judged_at,
        holdout=str(holdout),
        verdict=verdict,
        policy=policy,
        model_type=PROBLEM.model_type,
        labels=evidence.labels,
        predictions=evidence.predictions,
        slices=evidence.slices,
        incumbent=compare_with_incumbent(version, policy, scored, holdout, lakehouse),
        freshness=compare_freshness(policy, scored, others.fresh),
        results=results,
    )
    log_report(report, version, lakehouse)
    if isinstance(verdict, Failed):
        remove_alias(lakehouse.registry, version, CHALLENGER)
        raise ValidationFailedError(
            f"Version {version.version} of {version.model} failed validation. {verdict.reason}"
        )
    set_alias(lakehouse.registry, version, CHALLENGER)
    print(f"Version {version.version} of {version.model} passed and is {CHALLENGER}.")


def gather_evidence(
    version: ModelVersion, policy: Policy, scored: pd.DataFrame, others: OtherRows
) -> Evidence:
    """Predict the held-out rows also in the served form, and read what the registry has."""
    try:
        served = predict_as_served(version.uri, scored[list(PROBLEM.feature_columns)])
        difference = largest_difference(scored["prediction"], served)
    except UnusableInputError:
        # The gate lists what is wrong with the predictions; here only the figure is missing.
        difference = None
    inputs, outputs = has_signature(version.uri)
    return Evidence(
        model_type=PROBLEM.model_type,
        labels=scored[PROBLEM.label.column],
        predictions=scored["prediction"],
        slices={c: scored[c] for c in policy.validation.slices.columns if c in scored},
        served_difference=difference,
        availability=compare_availability(
            others.open_rows,
            pd.concat([scored, others.closed_rows]),
            PROBLEM.feature_columns,
            PROBLEM.spine.decision_at,
        ),
        signature_inputs=inputs,
        signature_outputs=outputs,
        description=version.description,
        tags=version.tags,
    )


def compare_with_incumbent(
    version: ModelVersion,
    policy: Policy,
    scored: pd.DataFrame,
    holdout: Holdout,
    lakehouse: Lakehouse,
) -> Incumbent:
    """Compare with the Champion, or with the heuristic baseline, and keep the predictions.

    Deploy decides by the same comparison of the same predictions.
    """
    number = read_aliases(lakehouse.registry, version.model).get(CHAMPION)
    champion = None
    name, asked = "the heuristic baseline", policy.comparison.first_min_gain
    if number is not None:
        champion = read_version(lakehouse.registry, version.model, number)
        name, asked = f"the {CHAMPION}, version {number}", policy.comparison.min_gain
    if number == version.version:
        why = f"it is the {CHAMPION} itself."
        return Incumbent(name=name, comparison=None, why=why, asked=asked)
    rows = add_incumbent(scored, holdout, champion, lakehouse)
    columns = [*PROBLEM.columns, PROBLEM.label.column, "prediction", INCUMBENT, INCUMBENT_VERSION]
    write_predictions(lakehouse.registry, version, rows[columns])
    try:
        comparison = compare_predictions(rows, policy)
    except UnusableInputError as error:
        # Deploy refuses what cannot be compared; the report says why.
        return Incumbent(name=name, comparison=None, why=str(error), asked=asked)
    return Incumbent(name=name, comparison=comparison, asked=asked)


def compare_freshness(
    policy: Policy, scored: pd.DataFrame, fresh: pd.DataFrame
) -> Freshness | None:
    """Measure the version also with features as fresh as the decision, where it can be measured."""

    def measure(rows: pd.DataFrame) -> Mapping[str, float | None]:
        return measure_figures(
            rows[PROBLEM.label.column],
            rows["prediction"],
            model_type=PROBLEM.model_type,
            loss=policy.comparison.loss,
            metrics=policy.validation.metrics,
        )

    try:
        return Freshness(
            loss=policy.comparison.loss,
            unit=PROBLEM.model_type.require_loss(policy.comparison.loss).unit,
            greatest_age=PROBLEM.refresh.greatest_age,
            judged=measure(scored),
            fresh=measure(fresh),
        )
    except UnusableInputError:
        return None


def print_checks(verdict: Verdict) -> None:
    """Print every check, the failed ones marked."""
    for check in verdict.checks:
        print(f"{'ok    ' if check.ok else 'FAILED'} {check.name}: {check.detail}")


def log_report(report: Report, version: ModelVersion, lakehouse: Lakehouse) -> None:
    """Write the report as an artifact, and status and summary as tags of the version."""
    verdict = report.verdict
    lakehouse.registry.log_text(version.run_id, write_report(report), REPORT)
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
