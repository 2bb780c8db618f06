"""What the jobs have left, asserted on the workspace itself and not on what they printed."""

import pytest

from flight_delays.config.policy import load_policy
from flight_delays.problem import PROBLEM
from flight_delays.promotion.decide import CHALLENGER
from flight_delays.spec.tables import FeatureTable, Source
from flight_delays.spec.windows import reach_batch
from flight_delays.tasks.batch_inference import PREDICTIONS
from flight_delays.tasks.parameters import read_instant

from .conftest import Deployment


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
def test_table_has_rows_and_its_key_tells_them_apart(
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


def test_champion_has_scored_each_of_the_latest_rows_once(
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
