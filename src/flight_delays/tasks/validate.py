"""Task: validate a registered version: PASSED and Challenger, or FAILED with the reasons."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pandas as pd

from ..config.policy import Policy, load_policy
from ..errors import UnusableInputError
from ..evaluation.availability import compare_availability
from ..evaluation.days import local_days
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
from ..lakehouse.scoring import has_signature
from ..lakehouse.validation_results import RESULTS, write_results
from ..lakehouse.watermarks import COMPUTED, read_watermarks
from ..problem import PROBLEM
from ..promotion.answers import Answers
from ..promotion.behaviour import ALL, FRESH, SERVED, check_behaviour
from ..promotion.checks import Check
from ..promotion.decide import CHALLENGER, CHAMPION, Failed, Verdict, expect_decision
from ..promotion.gate import Evidence, validate
from ..promotion.model_version import PENDING, STATUS_TAG, ModelVersion
from ..promotion.provenance import check_origin
from ..promotion.rules import require_gain
from ..promotion.skill import check_skill
from ..promotion.slices import refuse_slices
from ..reports import Incumbent, Report, write_report
from ..spec.tables import WATERMARKS
from .comparison import (
    KEPT,
    add_incumbent,
    compare_predictions,
    compare_slice_predictions,
    find_worse,
    measure_losses,
)
from .holdout import (
    Holdout,
    JudgedRows,
    load_holdout,
    read_judged_rows,
    select_training_rows,
    trace_judgement,
)
from .parameters import Name, Parameters, SchemaName, Text, in_schema
from .questions import REQUESTED, ask_about, spread

REPORT = "validation.html"


class ValidationFailedError(Exception):
    """The version did not pass; the job stops here and sends its notifications."""


class AliasMovedError(Exception):
    """An alias was moved while the version was asked, which no part of this task does."""


class ValidateParameters(Parameters):
    """Parameters of the validate task.

    Attributes:
        model_uri: The version to validate, from train.
        source: Schema of the feature tables, with its catalog.
        target: Schema that takes the table of results, with its catalog.
        experiment: Experiment of the job's runs; a version of another is refused.
        policy: Policy file under conf/.
        job_run: Run of the job.
    """

    model_uri: str
    source: SchemaName
    target: SchemaName
    experiment: Text
    policy: Text
    job_run: Name


def run(parameters: ValidateParameters, lakehouse: Lakehouse) -> None:
    """Validate, and leave PASSED and Challenger, or FAILED with the reason.

    Raises:
        ValidationFailedError: The verdict is FAILED.
    """
    policy = load_policy(parameters.policy, PROBLEM.model_type)
    version = read_version(lakehouse.registry, *parse_model_uri(parameters.model_uri))
    # What it was found before holds no longer, whatever ends this task.
    tag_version(lakehouse.registry, version, **{STATUS_TAG: PENDING})
    try:
        verdict = judge(version, policy, parameters, lakehouse)
    except Exception as error:
        reason = " ".join(f"Validation did not end: {type(error).__name__}: {error}".split())
        fail(version, Failed(reason, ()), lakehouse)
        raise
    if isinstance(verdict, Failed):
        fail(version, verdict, lakehouse)
        raise ValidationFailedError(
            f"Version {version.version} of {version.model} failed validation. {verdict.reason}"
        )
    set_alias(lakehouse.registry, version, CHALLENGER)
    tag_version(
        lakehouse.registry,
        version,
        validation_reason=verdict.reason,
        **{STATUS_TAG: verdict.status},
    )
    lakehouse.set_task_value("status", verdict.status)
    print(f"Version {version.version} of {version.model} passed and is {CHALLENGER}.")


def fail(version: ModelVersion, verdict: Failed, lakehouse: Lakehouse) -> None:
    """Record that a version may not be promoted, and why."""
    tag_version(
        lakehouse.registry,
        version,
        validation_reason=verdict.reason,
        **{STATUS_TAG: verdict.status},
    )
    remove_alias(lakehouse.registry, version, CHALLENGER)
    lakehouse.set_task_value("status", verdict.status)


def judge(
    version: ModelVersion, policy: Policy, parameters: ValidateParameters, lakehouse: Lakehouse
) -> Verdict:
    """Gather the evidence, hold it against the policy, and write what came of it for people.

    Raises:
        AliasMovedError: An alias was moved meanwhile.
    """
    as_of, source = version.require_as_of(), parameters.source
    aliases = read_aliases(lakehouse.registry, version.model)
    holdout = load_holdout(as_of, policy, source, lakehouse)
    rows = read_judged_rows(version, holdout, policy, source, lakehouse)
    answers = ask_about(version, rows.held_out, rows.fresh, policy.validation)
    require_unmoved(version, aliases, lakehouse)
    scored = rows.held_out.assign(prediction=answers.values(ALL, len(rows.held_out)))
    evidence = gather_evidence(
        version, policy, scored, rows, answers, has_champion=CHAMPION in aliases
    )
    further = (
        *check_behaviour(
            answers,
            PROBLEM.model_type,
            seconds_per_row=policy.validation.max_seconds_per_row,
            allow_untried=policy.validation.untried_environment == "allow",
        ),
        *trace_origin(version, holdout, parameters, lakehouse),
        check_features(holdout, source, lakehouse),
        *check_skill(
            PROBLEM.model_type,
            policy.comparison.loss,
            evidence.labels,
            evidence.predictions,
            training_mean=measure_training_mean(as_of, policy, source, lakehouse),
            heuristic=PROBLEM.heuristic_baseline(rows.held_out),
            min_skill=policy.validation.min_skill,
        ),
    )
    verdict = validate(
        evidence, policy.validation, further, confidence=policy.comparison.confidence
    )
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
        model=version.model,
        version=version.version,
        as_of=as_of,
        judged_at=judged_at,
        holdout=str(holdout),
        verdict=verdict,
        policy=policy,
        model_type=PROBLEM.model_type,
        labels=evidence.labels,
        predictions=evidence.predictions,
        slices=evidence.slices,
        incumbent=compare_with_incumbent(version, policy, scored, holdout, lakehouse),
        freshness=compare_freshness(policy, scored, rows.fresh, answers),
        results=results,
    )
    log_report(report, version, lakehouse)
    provenance = trace_judgement(as_of, parameters.policy, holdout, scored)
    tag_version(lakehouse.registry, version, **provenance.tags)
    return verdict


def gather_evidence(
    version: ModelVersion,
    policy: Policy,
    scored: pd.DataFrame,
    rows: JudgedRows,
    answers: Answers,
    *,
    has_champion: bool,
) -> Evidence:
    """Put together what the version has answered and what the registry has of it."""
    served = answers.given.get(SERVED)
    difference = None
    if served is not None and served.values is not None:
        requested = scored["prediction"].to_numpy()[spread(len(scored), REQUESTED)]
        difference = largest_difference(requested, served.values)
    inputs, outputs = has_signature(version.uri)
    return Evidence(
        model_type=PROBLEM.model_type,
        labels=scored[PROBLEM.label.column],
        predictions=scored["prediction"],
        slices={c: scored[c] for c in policy.validation.slice_columns if c in scored},
        days=local_days(scored[PROBLEM.spine.decision_at], PROBLEM.time_zone),
        has_champion=has_champion,
        places={c: scored[c] for c in PROBLEM.feature_columns},
        served_difference=difference,
        availability=compare_availability(
            rows.open_rows,
            pd.concat([rows.held_out, rows.closed_rows]),
            PROBLEM.feature_columns,
            PROBLEM.spine.decision_at,
        ),
        signature_inputs=inputs,
        signature_outputs=outputs,
        description=version.description,
        tags=version.tags,
    )


def require_unmoved(version: ModelVersion, before: Mapping[str, int], lakehouse: Lakehouse) -> None:
    """Refuse a version while which was asked an alias was moved.

    Raises:
        AliasMovedError: One was.
    """
    after = read_aliases(lakehouse.registry, version.model)
    if after != before:
        raise AliasMovedError(
            f"While version {version.version} of {version.model} was asked, its aliases changed "
            f"from {before} to {after}. Either the model's code did that or another writer: find "
            "out who, put the aliases back, and revoke what the model may have read."
        )


def trace_origin(
    version: ModelVersion, holdout: Holdout, parameters: ValidateParameters, lakehouse: Lakehouse
) -> tuple[Check, ...]:
    """Check that the job's own train task made the version, of labels before the holdout."""
    found = lakehouse.registry.get_run(version.run_id) if version.run_id else None
    experiment = found and lakehouse.registry.get_experiment(found.info.experiment_id).name
    registered = lakehouse.workspace.model_versions.get(version.model, version.version)
    return check_origin(
        version,
        experiment=experiment or "none",
        expected_experiment=parameters.experiment,
        creator=registered.created_by or "nobody on record",
        principal=lakehouse.workspace.current_user.me().user_name or "nobody on record",
        start=holdout.interval.start,
    )


def check_features(holdout: Holdout, source: str, lakehouse: Lakehouse) -> Check:
    """Check that features were computed up to the end of the holdout."""
    computed = read_watermarks(lakehouse.spark, in_schema(source, WATERMARKS), COMPUTED)
    stale = [
        f"{table.name} as of {computed.get(table.name, 'never')}"
        for table in PROBLEM.feature_tables
        if table.name not in computed
        or computed[table.name] < holdout.interval.end - table.fresh_within
    ]
    return Check(
        name="features_computed",
        ok=not stale,
        detail=f"features are older than the holdout, which ends {holdout.interval.end}: "
        f"{', '.join(stale)}; run feature_refresh as of a later instant"
        if stale
        else "features were computed up to the end of the holdout",
    )


def measure_training_mean(
    as_of: datetime, policy: Policy, source: str, lakehouse: Lakehouse
) -> float | None:
    """Return the mean label of the training window; None where it has no row."""
    _, rows = select_training_rows(as_of, policy, source, lakehouse)
    row = rows.agg({PROBLEM.label.column: "avg"}).first()
    return None if row is None or row[0] is None else float(row[0])


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
    champion, name = None, "the heuristic baseline"
    if number is not None:
        champion = read_version(lakehouse.registry, version.model, number)
        name = f"the {CHAMPION}, version {number}"
    asked = require_gain(version, champion, policy.comparison)
    if number == version.version:
        return Incumbent(name=name, asked=asked, why=f"it is the {CHAMPION} itself.")
    rows = add_incumbent(scored, holdout, champion, lakehouse)
    kept = dict.fromkeys([*KEPT, *policy.validation.slice_columns])
    write_predictions(lakehouse.registry, version, rows[list(kept)])
    try:
        comparison = compare_predictions(rows, policy)
        losses = measure_losses(rows, policy)
        compared = () if champion is None else compare_slice_predictions(rows, policy)
        worse = () if champion is None else find_worse(rows, policy)
    except UnusableInputError as error:
        # Deploy refuses what cannot be compared; the report says why.
        return Incumbent(name=name, asked=asked, why=str(error))
    tag_version(lakehouse.registry, version, **losses.tags)
    decision = refuse_slices(version.version, worse) or expect_decision(
        version,
        champion,
        comparison,
        policy.comparison,
        number=version.version,
        losses=losses,
        holdout_start=holdout.interval.start,
        passed=True,
    )
    return Incumbent(
        name=name,
        asked=asked,
        comparison=comparison,
        decision=decision,
        slices=compared,
        worse=worse,
    )


def compare_freshness(
    policy: Policy, scored: pd.DataFrame, fresh: pd.DataFrame, answers: Answers
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
            fresh=measure(fresh.assign(prediction=answers.values(FRESH, len(fresh)))),
        )
    except UnusableInputError:
        return None


def print_checks(verdict: Verdict) -> None:
    """Print every check, the failed ones marked."""
    for check in verdict.checks:
        print(f"{'ok    ' if check.ok else 'FAILED'} {check.name}: {check.detail}")


def log_report(report: Report, version: ModelVersion, lakehouse: Lakehouse) -> None:
    """Write the report as an artifact, and where it lies as a tag of the version."""
    lakehouse.registry.log_text(version.run_id, write_report(report), REPORT)
    tag_version(
        lakehouse.registry,
        version,
        validation_report=f"runs:/{version.run_id}/{REPORT}",
    )


def main() -> None:
    """Run the task from its command line."""
    run(ValidateParameters.parse(), Lakehouse())
