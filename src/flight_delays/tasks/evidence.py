"""Evidence of the validation: predictions, provenance, and the state of the features."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import pandas as pd
from mlflow.entities import LifecycleStage, Run
from mlflow.models import Model

from ..config.loading import digest_training
from ..config.policy import Policy
from ..errors import UnusableInputError
from ..evaluation.availability import compare_availability
from ..evaluation.comparison import local_days
from ..evaluation.metrics import largest_difference
from ..evaluation.side_by_side import Freshness, measure_figures
from ..lakehouse.context import Lakehouse
from ..lakehouse.registry import describe_input, read_signature
from ..lakehouse.watermarks import COMPUTED, read_watermarks
from ..problem import PROBLEM
from ..promotion.answers import Answers
from ..promotion.behaviour import FRESH, SERVED
from ..promotion.checks import Check
from ..promotion.decide import CHAMPION
from ..promotion.gate import Evidence
from ..promotion.model_version import MODEL_TYPE_TAG, ModelVersion
from ..promotion.provenance import check_origin
from ..spec.problem import FEATURES_AT
from ..spec.tables import WATERMARKS
from .holdout import Holdout, JudgedRows, select_training_rows
from .parameters import in_schema
from .questions import REQUESTED, spread


def gather_evidence(
    version: ModelVersion,
    policy: Policy,
    scored: pd.DataFrame,
    rows: JudgedRows,
    answers: Answers,
    *,
    has_champion: bool,
) -> Evidence:
    """Return the evidence from the version's answers and its registry entry."""
    served = answers.given.get(SERVED)
    difference = None
    if served is not None and served.values is not None:
        requested = scored["prediction"].to_numpy()[spread(len(scored), REQUESTED)]
        difference = largest_difference(requested, served.values)
    inputs, outputs = read_signature(version.uri)
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


def trace_origin(
    version: ModelVersion,
    holdout: Holdout,
    answers: Answers,
    expected: str,
    policy: str,
    lakehouse: Lakehouse,
) -> tuple[Check, ...]:
    """Check that this job's train task made the version from this code, before the holdout."""
    found = lakehouse.registry.get_run(version.run_id)
    registered = lakehouse.workspace.model_versions.get(version.model, version.version)
    # The Champion may have been trained with an earlier runtime.
    flaws = () if CHAMPION in version.aliases else answers.flaws
    return check_origin(
        version,
        experiment=lakehouse.registry.get_experiment(found.info.experiment_id).name,
        expected_experiment=expected,
        creator=registered.created_by or "nobody on record",
        principal=lakehouse.workspace.current_user.me().user_name or "nobody on record",
        digest=digest_training(policy),
        start=holdout.interval.start,
        flaws=[*find_flaws(version, found, Model.load(version.uri).run_id), *flaws],
    )


def find_flaws(version: ModelVersion, run: Run, logged_by: str | None) -> Iterator[str]:
    """Yield why a version is not of its run (its artifact names another) or of this problem."""
    if run.info.lifecycle_stage == LifecycleStage.DELETED:
        yield "its run was deleted"
    if run.info.status in ("FAILED", "KILLED"):
        yield f"its run ended as {run.info.status}"
    if logged_by != version.run_id:
        yield f"run {logged_by or 'none'} logged it, its version names run {version.run_id}"
    model_type = version.tags.get(MODEL_TYPE_TAG, PROBLEM.model_type.name)
    if model_type != PROBLEM.model_type.name:
        yield f"its model type is {model_type!r}, the problem's is {PROBLEM.model_type.name!r}"


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


def check_look_ups(version: ModelVersion, answers: Answers, source: str) -> Check:
    """Check that the version gets its inputs as the problem says, from the schema it is judged by.

    The Champion may have been trained with earlier code, so only its schema is checked.
    """
    found, expected = answers.inputs, expect_inputs(source)
    if CHAMPION in version.aliases:
        here = f'_name": "{source}.'.casefold()
        expected = {name: how for name, how in found.items() if here in how or "_name" not in how}
    wrong = [name for name in {**expected, **found} if found.get(name) != expected.get(name)]
    return Check(
        name="look_ups",
        ok=not wrong,
        detail=f"inputs differ from those of problem/ in {source}: {', '.join(wrong[:5])}; "
        f"{wrong[0]} is {found.get(wrong[0], 'missing')}, expected "
        f"{expected.get(wrong[0], 'no such input')}: train it by this job"
        if wrong
        else f"inputs are those of problem/, features come from {source}",
    )


def expect_inputs(source: str) -> dict[str, str]:
    """Return what decides the values of each of the problem's inputs, by name."""
    columns: dict[str, Mapping[str, object]] = {name: {} for name in PROBLEM.spine.features}
    for table in PROBLEM.feature_tables:
        look_up = {
            "table_name": in_schema(source, table.name),
            "lookup_key": table.lookup_key,
            "timestamp_lookup_key": [FEATURES_AT] if table.timeseries_column else None,
            "lookback_window": table.lookback and table.lookback.total_seconds(),
        }
        columns |= {name: {**look_up, "feature_name": name} for name in table.features}
    for feature in PROBLEM.request_features:
        name = in_schema(source, feature.catalog_name)
        columns[feature.output] = {"udf_name": name, "input_bindings": dict(feature.bindings)}
    return {name.casefold(): describe_input(column) for name, column in columns.items()}


def measure_training_mean(
    as_of: datetime, policy: Policy, source: str, lakehouse: Lakehouse
) -> float | None:
    """Return the mean label of the training window; None if it is empty."""
    _, rows = select_training_rows(as_of, policy, source, lakehouse)
    row = rows.agg({PROBLEM.label.column: "avg"}).first()
    return None if row is None or row[0] is None else float(row[0])


def compare_freshness(
    policy: Policy, scored: pd.DataFrame, fresh: pd.DataFrame, answers: Answers
) -> Freshness | None:
    """Return the metrics with features as fresh as the decision, if there are such rows."""

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
