"""Task: roll back to a former Champion at a person's request."""

from functools import partial

import pandas as pd
from pydantic import Field

from ..lakehouse.context import Lakehouse
from ..lakehouse.errors import LakehouseError
from ..lakehouse.registry import read_version, remove_alias, require_aliases, score, tag_version
from ..lakehouse.served_version import ServedVersion
from ..lakehouse.split_traffic import find_rolled
from ..problem import PROBLEM
from ..promotion.decide import CHALLENGER, CHAMPION, Reject
from ..promotion.model_version import HELD_UNTIL_TAG, REJECTED_TAG, ModelVersion
from ..promotion.rollback import choose_version, find_hold, plan_hold, require_passed
from ..spec.problem import FEATURES_AT
from .deploy import make_champion, serve
from .parameters import FullName, Instant, Parameters, SchemaName, in_schema

ROWS = 20


class RollbackParameters(Parameters):
    """Parameters of the rollback task.

    Attributes:
        to_version: The version to go back to; empty for the former Champion.
        hold_days: Days for which no training replaces it.
    """

    model: FullName
    source: SchemaName
    to_version: str = ""
    hold_days: int = Field(default=7, ge=0, le=365)
    reason: str = ""
    started_at: Instant


def run(parameters: RollbackParameters, lakehouse: Lakehouse) -> None:
    """Move the endpoint, if there is one, and the alias back to a version that has passed.

    The version was Champion, so it is only checked that it loads and predicts. Idempotent: after a
    kill, the task can run again.

    Raises:
        UnusableInputError: There is no version to go back to, or it has never passed.
        LakehouseError: The version does not predict, or another writer moved the alias Champion.
    """
    aliases = require_aliases(
        lakehouse.registry, parameters.model, "Deploy the bundle and run model_training first"
    )
    registry, model = lakehouse.registry, parameters.model
    number = aliases.get(CHAMPION)
    champion = read_version(registry, model, number) if number else None
    left = find_rolled(lakehouse.workspace, registry, model) or champion
    held = find_hold(champion, parameters.started_at)
    if champion and held and left == champion and not parameters.to_version:
        # After a killed call, the endpoint may be behind the alias.
        print(f"{held.reason}. Give to_version to go further back.")
        bring(champion, champion, parameters.source, lakehouse)
        return
    # During a rollout, go back to the Champion next to it.
    asked = parameters.to_version or (str(number) if left != champion else "")
    version = read_version(registry, model, choose_version(champion, asked))
    require_passed(version)
    until = plan_hold(parameters.started_at, parameters.hold_days)
    tag_version(registry, version, **{HELD_UNTIL_TAG: until})
    if REJECTED_TAG in version.tags:
        registry.delete_model_version_tag(model, str(version.version), REJECTED_TAG)
    for each in (left, champion):
        if each and each.version != version.version:
            why = parameters.reason or "no reason given"
            rejected = Reject(f"rolled back to version {version.version} by hand: {why}")
            tag_version(registry, each, **{REJECTED_TAG: rejected.reason})
            remove_alias(registry, each, CHALLENGER)
    bring(version, champion, parameters.source, lakehouse)
    print(f"Version {version.version} of {model} is {CHAMPION}, held until {until}.")
    lakehouse.set_task_value("champion", version.version)


def bring(
    version: ModelVersion,
    champion: ModelVersion | None,
    source: str,
    lakehouse: Lakehouse,
) -> None:
    """Check that a passed version predicts, then move endpoint and alias to it.

    Raises:
        UnusableInputError: The version has not passed.
        LakehouseError: The version does not predict, or another writer moved the alias Champion.
    """
    require_passed(version)
    rows = read_rows(source, lakehouse)
    check_answers(version, rows, lakehouse)
    commit = partial(make_champion, version, champion.version if champion else None, lakehouse)
    serve(version, champion, rows, partial(ask_served, version, rows, lakehouse), lakehouse, commit)


def read_rows(source: str, lakehouse: Lakehouse) -> pd.DataFrame:
    """Return the newest input rows."""
    at = PROBLEM.spine.decision_at
    listed = ", ".join(column for column in PROBLEM.columns if column != FEATURES_AT)
    rows: pd.DataFrame = lakehouse.spark.sql(
        f"SELECT {listed}, {at} AS {FEATURES_AT} FROM {in_schema(source, PROBLEM.spine.source)} "
        f"ORDER BY {at} DESC, {', '.join(PROBLEM.keys)} LIMIT {ROWS}"
    ).toPandas()
    return rows


def check_answers(version: ModelVersion, rows: pd.DataFrame, lakehouse: Lakehouse) -> None:
    """Check that a version returns a valid prediction for each row.

    Raises:
        LakehouseError: It does not.
    """
    spark_rows = lakehouse.spark.createDataFrame(rows)
    answers = score(lakehouse.feature_store, version.uri, spark_rows)["prediction"].tolist()
    wrong = [answer for answer in answers if not PROBLEM.model_type.allows(answer)]
    if len(answers) != len(rows) or not answers or wrong:
        raise LakehouseError(
            f"Version {version.version} answered {len(answers)} of {len(rows)} rows, {len(wrong)} "
            "of them with an invalid prediction. Go back to another version with to_version."
        )
    print(f"Version {version.version} predicts {len(rows)} rows.")


def ask_served(
    version: ModelVersion, rows: pd.DataFrame, lakehouse: Lakehouse, endpoint: str, entity: str
) -> None:
    """Check that a served version predicts rows.

    Raises:
        EndpointError: It does not.
    """
    kind, model, number = PROBLEM.model_type, version.model, version.version
    served = ServedVersion(lakehouse.workspace, endpoint, entity, kind, model, number)
    served.ask(rows, f"{len(rows)} rows")


def main() -> None:
    """Run the task from its command line."""
    run(RollbackParameters.parse(), Lakehouse())
