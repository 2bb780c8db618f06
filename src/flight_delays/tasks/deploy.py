"""Task: promote the Challenger if it is better than the Champion: endpoint first, then alias."""

from functools import partial

import pandas as pd

from ..contract import load_policy, load_serving, select_labelled_rows
from ..lakehouse.context import Lakehouse
from ..lakehouse.endpoint import ask_endpoint, bring_endpoint
from ..lakehouse.errors import LakehouseError
from ..lakehouse.online import require_online_store
from ..lakehouse.registry import (
    ModelVersion,
    move_alias,
    parse_model_uri,
    read_aliases,
    read_version,
    tag_version,
)
from ..lakehouse.scoring import score
from ..lifecycle import (
    CHAMPION,
    Decision,
    Keep,
    Policy,
    Promote,
    Reject,
    decide,
    screen,
    split,
)
from ..problem import PROBLEM
from .opponents import as_candidate, compare_with
from .parameters import Parameters, SchemaName, Text, in_schema

SMOKE_ROWS = 5
PREVIOUS_TAG = "previous_champion"


class PromotionRefusedError(Exception):
    """The version may not be promoted; Champion and endpoint are as they were."""


class DeployParameters(Parameters):
    """What the task is told.

    Attributes:
        model_uri: The version that validate let challenge.
        source: Schema of the feature tables, with its catalog.
        policy: Policy file under conf/.
        online_store: Store in which the endpoint looks features up, where there is an endpoint.
    """

    model_uri: str
    source: SchemaName
    policy: Text
    online_store: str = ""


def run(parameters: DeployParameters, lakehouse: Lakehouse) -> None:
    """Decide, then bring the endpoint, where there is one, and the alias to the same version.

    Killed anywhere, the task can run again: it decides alike and completes what stands.

    Raises:
        PromotionRefusedError: The decision is to reject.
    """
    policy = load_policy(parameters.policy, PROBLEM.kind)
    if load_serving().endpoint:
        require_online_store(lakehouse.feature_store, parameters.online_store)
    model, number = parse_model_uri(parameters.model_uri)
    challenger = read_version(lakehouse.registry, model, number)
    champion_number = read_aliases(lakehouse.registry, model).get(CHAMPION)
    champion = (
        None
        if champion_number is None
        else read_version(lakehouse.registry, model, champion_number)
    )
    held_out = select_held_out(challenger, policy, parameters.source, lakehouse)
    decision = decide_on(challenger, champion, policy, held_out, lakehouse)
    print(f"{decision.label}: {decision.reason}")
    lakehouse.set_task_value("decision", decision.label)
    lakehouse.set_task_value("reason", decision.reason)
    if not (isinstance(decision, Keep) and decision.already_champion):
        tag_version(
            lakehouse.registry,
            challenger,
            decision=decision.label,
            decision_reason=decision.reason,
        )
    match decision:
        case Promote():
            promote(challenger, champion, held_out, lakehouse)
        case Keep():
            # A killed promotion may have left the endpoint ahead of the alias.
            standing = champion or challenger
            serve(standing, held_out, lakehouse)
            lakehouse.set_task_value("champion", standing.version)
        case Reject():
            raise PromotionRefusedError(decision.reason)


def decide_on(
    challenger: ModelVersion,
    champion: ModelVersion | None,
    policy: Policy,
    held_out: pd.DataFrame,
    lakehouse: Lakehouse,
) -> Decision:
    """Compare on the held-out rows what has to be compared, and decide."""
    candidate = as_candidate(challenger)
    incumbent = as_candidate(champion) if champion else None
    settled = screen(candidate, incumbent)
    if settled is not None:
        return settled
    rows = lakehouse.spark.createDataFrame(held_out)
    scored = score(lakehouse.feature_store, challenger.uri, rows)
    return decide(
        candidate,
        incumbent,
        compare_with(scored, rows, champion, policy, lakehouse),
        min_gain=policy.comparison.min_gain,
        first_min_gain=policy.comparison.first_min_gain,
    )


def promote(
    challenger: ModelVersion,
    champion: ModelVersion | None,
    held_out: pd.DataFrame,
    lakehouse: Lakehouse,
) -> None:
    """Bring the endpoint to the challenger, ask it, and only then move the alias.

    Raises:
        LakehouseError: Champion was moved by another meanwhile; it is left where it is.
    """
    previous = champion.version if champion else None
    tags = {PREVIOUS_TAG: str(previous) if previous else "none"}
    tag_version(lakehouse.registry, challenger, **tags)
    serve(challenger, held_out, lakehouse)
    standing = read_aliases(lakehouse.registry, challenger.model).get(CHAMPION)
    if standing != previous:
        raise LakehouseError(
            f"{CHAMPION} of {challenger.model} was version {previous} and is {standing} now: "
            "another writer moved it. Run the job again."
        )
    move_alias(lakehouse.registry, challenger, CHAMPION)
    lakehouse.set_task_value("champion", challenger.version)
    print(f"Version {challenger.version} of {challenger.model} is {CHAMPION}.")


def serve(version: ModelVersion, held_out: pd.DataFrame, lakehouse: Lakehouse) -> None:
    """Bring the endpoint, where there is one, to a version and have it predict a few rows."""
    serving = load_serving()
    if not serving.endpoint:
        print("conf/serving.yml asks for no endpoint: none is touched.")
        return
    endpoint = bring_endpoint(
        lakehouse.workspace,
        version,
        serving.workload_size,
        scale_to_zero=serving.scale_to_zero,
    )
    questions = held_out[list(PROBLEM.columns)].tail(SMOKE_ROWS)
    answers = ask_endpoint(lakehouse.workspace, endpoint, version, questions, PROBLEM.kind)
    print(f"Endpoint {endpoint} serves version {version.version}: {answers}")
    lakehouse.set_task_value("endpoint", endpoint)


def select_held_out(
    challenger: ModelVersion, policy: Policy, source: str, lakehouse: Lakehouse
) -> pd.DataFrame:
    """Return the rows held out from the challenger, with their labels, in order."""
    as_of = challenger.require_as_of()
    holdout = split(as_of, policy.windows).holdout
    qualify = partial(in_schema, source)
    rows = select_labelled_rows(lakehouse.spark, PROBLEM, qualify, holdout, as_of)
    return rows.toPandas().sort_values(list(PROBLEM.columns), ignore_index=True)


def main() -> None:
    """Run the task from its command line."""
    run(DeployParameters.parse(), Lakehouse())
