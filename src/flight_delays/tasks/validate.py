"""Task: validate a registered version, and record PASSED and Challenger, or FAILED and why."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd

from ..config.policy import Policy, load_policy
from ..errors import UnusableInputError
from ..evaluation.comparison import local_days
from ..lakehouse.context import Lakehouse
from ..lakehouse.inference_log import write_validated
from ..lakehouse.model_logging import write_predictions
from ..lakehouse.registry import (
    parse_model_uri,
    read_aliases,
    read_version,
    remove_alias,
    set_alias,
    tag_version,
)
from ..lakehouse.results import VALIDATIONS, write_results
from ..problem import PROBLEM
from ..promotion.behaviour import ALL, check_behaviour
from ..promotion.checks import check_skill
from ..promotion.decide import CHALLENGER, CHAMPION, Failed, Passed, Verdict, expect_decision
from ..promotion.gate import validate
from ..promotion.model_version import PENDING, STATUS_TAG, ModelVersion
from ..promotion.rules import require_gain
from ..promotion.slices import find_worse_slices, refuse_slices
from ..reports.validation_report import Incumbent, Report, write_report
from ..spec.inference_log import VALIDATED
from .approval import withdraw
from .comparison import (
    INCUMBENT,
    KEPT,
    add_incumbent,
    compare_predictions,
    compare_slice_predictions,
    measure_losses,
)
from .evidence import (
    check_features,
    check_look_ups,
    compare_freshness,
    gather_evidence,
    measure_training_mean,
    trace_origin,
)
from .holdout import Holdout, load_holdout, read_judged_rows, trace_judgement
from .parameters import Name, Parameters, SchemaName, Text, in_schema
from .questions import ask_about

REPORT = "validation.html"


class ValidationFailedError(Exception):
    """The version did not pass; the job stops here and sends its notifications."""


class AliasMovedError(Exception):
    """While the model ran, an alias was moved in a way that no job does."""


class OvertakenError(Exception):
    """A job or a person moved an alias during the validation; there is no verdict."""


class ValidateParameters(Parameters):
    """Parameters of the validate task.

    Attributes:
        experiment: Experiment of the job's runs; versions of other experiments are refused.
    """

    model_uri: str
    source: SchemaName
    target: SchemaName
    experiment: Text
    policy: Text
    job_run: Name


def run(parameters: ValidateParameters, lakehouse: Lakehouse) -> None:
    """Validate a version, and record PASSED and Challenger, or FAILED and the reason.

    Raises:
        ValidationFailedError: The verdict is FAILED.
        OvertakenError: There is no verdict, as a job or a person moved an alias.
    """
    version = read_version(lakehouse.registry, *parse_model_uri(parameters.model_uri))
    # An earlier verdict is no longer valid, however this task ends. A Champion keeps its verdict
    # until there is a new one: it is in use.
    if CHAMPION not in version.aliases:
        tag_version(lakehouse.registry, version, **{STATUS_TAG: PENDING})
    try:
        verdict = judge(version, parameters, lakehouse)
        if isinstance(verdict, Passed):
            # An earlier approval was for another comparison.
            withdraw(read_version(lakehouse.registry, version.model, version.version), lakehouse)
    except OvertakenError as error:
        tag_version(lakehouse.registry, version, validation_reason=Failed(str(error), ()).reason)
        raise
    except Exception as error:
        reason = " ".join(
            f"Validation stopped with an error: {type(error).__name__}: {error}".split()
        )
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
    """Record that a version failed, and why."""
    tag_version(
        lakehouse.registry,
        version,
        validation_reason=verdict.reason,
        **{STATUS_TAG: verdict.status},
    )
    remove_alias(lakehouse.registry, version, CHALLENGER)
    lakehouse.set_task_value("status", verdict.status)


def judge(version: ModelVersion, parameters: ValidateParameters, lakehouse: Lakehouse) -> Verdict:
    """Return the verdict on a version by the policy, and write checks and report.

    Raises:
        AliasMovedError: While the model ran, an alias was moved in a way that no job does.
        OvertakenError: A job or a person moved an alias.
    """
    if not version.run_id:
        return Failed("it has no run, so it was registered by hand: train it by this job", ())
    policy = load_policy(parameters.policy, PROBLEM.model_type)
    as_of, source = version.require_as_of(), parameters.source
    aliases = read_aliases(lakehouse.registry, version.model)
    holdout = load_holdout(as_of, policy, source, lakehouse)
    rows = read_judged_rows(version, holdout, policy, source, lakehouse)
    try:
        answers = ask_about(version, rows.held_out, rows.fresh, policy.validation)
    finally:
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
        *trace_origin(
            version, holdout, answers, parameters.experiment, parameters.policy, lakehouse
        ),
        check_look_ups(version, answers, source),
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
    results = in_schema(parameters.target, VALIDATIONS)
    write_results(
        lakehouse.spark,
        results,
        version,
        verdict.checks,
        job_run=parameters.job_run,
        judged_at=judged_at,
    )
    write_validated(
        lakehouse.spark,
        PROBLEM,
        in_schema(parameters.target, VALIDATED),
        scored,
        version.model,
        version.version,
        policy.validation.threshold,
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
        days=local_days(scored[PROBLEM.spine.decision_at], PROBLEM.time_zone),
        incumbent=compare_with_incumbent(version, policy, scored, holdout, lakehouse),
        freshness=compare_freshness(policy, scored, rows.fresh, answers),
        results=results,
    )
    log_report(report, version, lakehouse)
    require_unmoved(version, aliases, lakehouse)
    provenance = trace_judgement(as_of, parameters.policy, holdout, scored)
    tag_version(lakehouse.registry, version, **provenance.tags)
    return verdict


def require_unmoved(version: ModelVersion, before: Mapping[str, int], lakehouse: Lakehouse) -> None:
    """Check that no alias was moved or removed while the model ran.

    Suspect changes are undone, others are not.

    Raises:
        AliasMovedError: An alias was moved in a way that no job does.
        OvertakenError: A job or a person moved an alias.
    """
    after = read_aliases(lakehouse.registry, version.model)
    if after == before:
        return
    moved = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    taken = [
        name for name in moved if is_suspect(version, before.get(name), after.get(name), lakehouse)
    ]
    if not taken:
        raise OvertakenError(
            f"While version {version.version} of {version.model} was validated, its aliases "
            f"changed from {before} to {after}, to versions that have passed: by another run or a "
            "person, it seems. There is no verdict: run validate again. If no run or person moved "
            "them, see docs/security.md."
        )
    for alias in taken:
        if alias in before:
            set_alias(lakehouse.registry, replace(version, version=before[alias]), alias)
        else:
            remove_alias(lakehouse.registry, replace(version, version=after[alias]), alias)
    raise AliasMovedError(
        f"While version {version.version} of {version.model} was asked, its aliases changed from "
        f"{before} to {after}. Either the model's code did that or another writer: find out who, "
        f"and revoke what the model may have read. Put back: {', '.join(taken) or 'none'}; put the "
        "others back yourself."
    )


def is_suspect(
    version: ModelVersion, before: int | None, after: int | None, lakehouse: Lakehouse
) -> bool:
    """Return whether an alias was changed in a way that no job does.

    Jobs set aliases to passed versions only, never to the one that is being validated, and remove
    them from versions that have not passed or were rolled back.

    `before` and `after` are the alias's versions; None if it did not exist, or does not.
    """
    if after == version.version:
        return True
    at = read_version(lakehouse.registry, version.model, after or before or 0)
    is_sound = at.status == Passed.status
    return not is_sound if after else is_sound and at.rejection is None


def compare_with_incumbent(
    version: ModelVersion,
    policy: Policy,
    scored: pd.DataFrame,
    holdout: Holdout,
    lakehouse: Lakehouse,
) -> Incumbent:
    """Compare with the Champion, or with the heuristic baseline, and log the predictions.

    Deploy decides by the same comparison.
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
        slices = policy.validation.slices
        worse = find_worse_slices(compared, slices, policy.comparison.confidence) if slices else ()
    except UnusableInputError as error:
        # Deploy refuses the version; the report says why.
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
        predictions=rows[INCUMBENT],
    )


def print_checks(verdict: Verdict) -> None:
    """Print the failed checks, and the number of passed ones."""
    for check in verdict.checks:
        if not check.ok:
            print(f"FAILED {check.name}: {check.detail}")
    passed = sum(check.ok for check in verdict.checks)
    print(f"{passed} of {len(verdict.checks)} checks passed")


def log_report(report: Report, version: ModelVersion, lakehouse: Lakehouse) -> None:
    """Log the report as an artifact, and tag the version with its address."""
    lakehouse.registry.log_text(version.run_id, write_report(report), REPORT)
    tag_version(
        lakehouse.registry,
        version,
        validation_report=f"runs:/{version.run_id}/{REPORT}",
    )


def main() -> None:
    """Run the task from its command line."""
    run(ValidateParameters.parse(), Lakehouse())
