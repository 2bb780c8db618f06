"""Run the deployed jobs in the order of the lifecycle, and check their results."""

import pytest
from databricks.sdk.service.jobs import Run

from flight_delays.config.policy import load_policy
from flight_delays.lakehouse.results import HEALTH
from flight_delays.problem import PROBLEM
from flight_delays.promotion.decide import CHALLENGER
from flight_delays.spec.inference_log import LABELLED, PREDICTIONS
from flight_delays.spec.tables import FeatureTable, Source
from flight_delays.spec.windows import reach_batch
from flight_delays.tasks.parameters import read_instant

from .conftest import Deployment
from .runs import Runs


def run(runs: Runs, job: str, figures: dict[str, str], **parameters: str) -> Run:
    """Return a job's successful run; skip the test if the run is still active at the deadline."""
    ended = runs.finish(job, **parameters)
    if ended is None:
        pytest.skip(runs.going_on)
    figures[f"{job}, seconds"] = f"{((ended.end_time or 0) - (ended.start_time or 0)) / 1000:.0f}"
    return ended


def test_features_are_refreshed(runs: Runs, figures: dict[str, str]) -> None:
    run(runs, "feature_refresh", figures)


def test_a_model_is_trained_validated_and_deployed(
    deployment: Deployment, runs: Runs, figures: dict[str, str]
) -> None:
    ended = run(runs, "model_training", figures)
    newest = deployment.workspace.model_versions.get(deployment.model, deployment.newest())
    trained = deployment.workspace.experiments.get_run(newest.run_id or "").run
    assert trained is not None
    assert trained.data is not None
    tags = {tag.key: tag.value for tag in trained.data.tags or []}
    assert tags["job_run_id"] == str(ended.run_id)


def test_the_latest_rows_are_scored(runs: Runs, figures: dict[str, str]) -> None:
    run(runs, "batch_inference", figures)


def test_the_model_in_use_is_assessed(
    deployment: Deployment, runs: Runs, figures: dict[str, str]
) -> None:
    ended = run(runs, "monitoring", figures)
    # Requests to the endpoint may be logged an hour later; the batch rows are sufficient.
    (found,) = deployment.sql(
        f"SELECT verdict, reason, model_version FROM {deployment.schema}.{HEALTH} "
        f"WHERE job_run = '{ended.run_id}'"
    )
    figures["verdict"] = f"{found['verdict']}: {found['reason']}"
    assert found["verdict"] in {"Healthy", "Watch", "Retrain"}
    (logged,) = deployment.sql(
        f"SELECT count(*) AS rows, count(DISTINCT row_id) AS ids, count(label) AS labels "
        f"FROM {deployment.schema}.{LABELLED} WHERE source = 'batch'"
    )
    assert int(logged["rows"]) == int(logged["ids"]) > 0
    assert int(logged["labels"]) > 0


def test_rollback_to_current_champion_keeps_it(
    deployment: Deployment, runs: Runs, figures: dict[str, str]
) -> None:
    champion = deployment.champion()
    run(runs, "rollback", figures, to_version=str(champion), hold_days="0")
    assert deployment.champion() == champion


def test_newest_version_is_the_challenger(deployment: Deployment, figures: dict[str, str]) -> None:
    found = deployment.workspace.model_versions.get_by_alias(deployment.model, CHALLENGER)
    assert found.version == deployment.newest() > 0
    figures["Challenger"] = f"version {found.version}"
    assert found.run_id is not None
    run = deployment.workspace.experiments.get_run(found.run_id).run
    assert run is not None
    assert run.data is not None
    for metric in sorted(run.data.metrics or [], key=lambda metric: metric.key or ""):
        figures[f"`{metric.key}`"] = f"{metric.value:.4f}"


@pytest.mark.parametrize(
    "table", [*PROBLEM.sources, *PROBLEM.feature_tables], ids=lambda table: table.name
)
def test_table_has_rows_and_unique_keys(
    deployment: Deployment, figures: dict[str, str], table: Source | FeatureTable
) -> None:
    keys = ", ".join(table.primary_keys)
    (found,) = deployment.sql(
        f"SELECT count(*) AS rows, (SELECT count(*) FROM (SELECT DISTINCT {keys} "
        f"FROM {deployment.source}.{table.name})) AS distinct_keys "
        f"FROM {deployment.source}.{table.name}"
    )
    assert int(found["rows"]) == int(found["distinct_keys"]) > 0
    figures[f"rows in {table.name}"] = f"{int(found['rows']):,}"


def test_champion_scores_each_batch_row_once(
    deployment: Deployment, figures: dict[str, str]
) -> None:
    champion = deployment.champion()
    figures["Champion"] = f"version {champion}"
    policy = load_policy(deployment.parameters["policy"], PROBLEM.model_type)
    window = reach_batch(read_instant(deployment.parameters["as_of"]), policy.windows)
    at = PROBLEM.spine.decision_at
    within = f"{at} >= '{window.start.isoformat()}' AND {at} < '{window.end.isoformat()}'"
    scored = f"{deployment.schema}.{PREDICTIONS}"
    source = f"{deployment.source}.{PROBLEM.spine.source}"
    (found,) = deployment.sql(
        f"SELECT count(*) AS rows, count(DISTINCT {', '.join(PROBLEM.keys)}) AS keys, "
        "min(prediction) AS lowest, max(prediction) AS highest, "
        f"(SELECT count(*) FROM {source} WHERE {within}) AS known "
        f"FROM {scored} WHERE {within} AND model_version = {champion}"
    )
    assert int(found["rows"]) == int(found["keys"]) == int(found["known"]) > 0
    lowest, highest = float(found["lowest"]), float(found["highest"])
    assert PROBLEM.model_type.allows(lowest)
    assert PROBLEM.model_type.allows(highest)
    assert lowest < highest
    figures["rows scored by the Champion"] = f"{int(found['rows']):,}"
