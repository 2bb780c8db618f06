"""The deployed jobs, in the order of the lifecycle; the other modules look at what they left."""

import pytest
from databricks.sdk.service.jobs import Run

from .conftest import Deployment
from .runs import Runs


def run(runs: Runs, job: str, figures: dict[str, str]) -> Run:
    """Return a job's successful run; skip what remains if it goes on after the session's time."""
    ended = runs.finish(job)
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
