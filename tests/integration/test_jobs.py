"""The deployed jobs, in the order of the lifecycle; the other modules look at what they left."""

import time

from .conftest import Deployment
from delivery.databricks import run_bundle


def run(deployment: Deployment, job: str, figures: dict[str, str]) -> None:
    """Run a job to its end; one that fails ends the test with what the CLI said."""
    start = time.monotonic()
    run_bundle("run", job, target=deployment.target)
    figures[f"{job}, seconds"] = f"{time.monotonic() - start:.0f}"


def test_features_are_refreshed(deployment: Deployment, figures: dict[str, str]) -> None:
    run(deployment, "feature_refresh", figures)


def test_a_model_is_trained_validated_and_deployed(
    deployment: Deployment, figures: dict[str, str]
) -> None:
    before = deployment.newest()
    run(deployment, "model_training", figures)
    assert deployment.newest() == before + 1


def test_the_latest_rows_are_scored(deployment: Deployment, figures: dict[str, str]) -> None:
    run(deployment, "batch_inference", figures)
