"""Task: promote the Challenger if it may replace the Champion and serves as validated."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import pandas as pd
from pydantic import Field

from ..config.policy import Policy, load_policy
from ..config.rollout import load_rollout
from ..config.serving import load_serving
from ..lakehouse.context import Lakehouse
from ..lakehouse.endpoint import Size
from ..lakehouse.errors import LakehouseError
from ..lakehouse.model_logging import read_predictions
from ..lakehouse.online_store import require_online, require_online_store
from ..lakehouse.registry import (
    parse_model_uri,
    read_aliases,
    read_version,
    require_usable,
    set_alias,
    tag_version,
)
from ..lakehouse.rollout import Check, roll_out
from ..lakehouse.split_traffic import find_rolled
from ..problem import PROBLEM
from ..promotion.decide import (
    CHAMPION,
    Decision,
    Keep,
    NeedsApproval,
    Promote,
    Reject,
    decide,
    precheck,
)
from ..promotion.model_version import ENDED_TAG, PROGRESS_TAG, ModelVersion
from ..promotion.provenance import find_mismatch, find_overlap
from ..promotion.rollback import PREVIOUS_TAG, find_hold
from ..promotion.slices import refuse_slices
from ..spec.windows import split_windows
from .approval import find_approval, hold, require
from .comparison import (
    HEURISTIC,
    INCUMBENT_VERSION,
    add_incumbent,
    compare_predictions,
    find_first_gaps,
    find_worse,
    measure_losses,
)
from .holdout import load_holdout, score_holdout, trace_judgement
from .parameters import Instant, Parameters, SchemaName, Text, in_schema
from .served_checks import check_batch, check_served, mark_served


class PromotionRefusedError(Exception):
    """The version may not be promoted; Champion and endpoint did not change."""


class DeployParameters(Parameters):
    """Parameters of the deploy task.

    Attributes:
        model_uri: The Challenger.
        online_store: Online store of the endpoint's feature look-ups.
        rollout_job: Id of the job that rolls a version out in steps.
        started_at: Start of the job; now by default.
        environment: The bundle's target; if it is not given, no target is exempt from approval.
    """

    model_uri: str
    source: SchemaName
    policy: Text
    online_store: str = ""
    rollout: Text = "rollout"
    rollout_job: int = 0
    environment: str = ""
    started_at: Instant = Field(default="", validate_default=True)


def run(parameters: DeployParameters, lakehouse: Lakehouse) -> None:
    """Decide, then move the endpoint, if there is one, and the alias to the same version.

    A version that does not predict as validated changes neither.

    Killed at any point, the task can run again: it takes the same decision and completes it.

    Raises:
        PromotionRefusedError: The version is rejected, or needs a review.
        LakehouseError: The Champion has not passed validation.
    """
    policy = load_policy(parameters.policy, PROBLEM.model_type)
    require_look_ups(parameters, lakehouse)
    model, number = parse_model_uri(parameters.model_uri)
    challenger = read_version(lakehouse.registry, model, number)
    champion_number = read_aliases(lakehouse.registry, model).get(CHAMPION)
    champion = (
        None
        if champion_number is None
        else read_version(lakehouse.registry, model, champion_number)
    )
    if champion is not None and champion.version != challenger.version:
        require_usable(champion)
    approval = find_approval(challenger, champion_number)
    held_out = pd.DataFrame()
    decision: Decision | None = precheck(challenger, champion) or find_hold(
        champion, parameters.started_at
    )
    if decision is None:
        decision = find_other_judgement(challenger, policy, parameters, lakehouse)
    if not isinstance(decision, Reject):
        held_out = predict_held_out(challenger, champion, policy, parameters.source, lakehouse)
        find = find_first_gaps if champion is None else find_worse
        decision = (
            decision
            or refuse_slices(challenger.version, find(held_out, policy))
            or decide(
                challenger,
                champion,
                compare_predictions(held_out, policy),
                policy.comparison,
                losses=measure_losses(held_out, policy),
                holdout_start=find_holdout_start(challenger, policy),
                approved=approval.stands,
            )
        )
    decision = hold(decision, approval, parameters.environment)
    print(f"{decision.label}: {decision.reason}")
    lakehouse.set_task_value("decision", decision.label)
    lakehouse.set_task_value("reason", decision.reason)
    if not (isinstance(decision, Keep) and decision.already_champion):
        tag_decision(challenger, decision, lakehouse)
    match decision:
        case Promote():
            if champion is not None and starts_by_degrees(parameters):
                start_rollout(challenger, champion, held_out, parameters, lakehouse)
                return
            promote(challenger, champion, held_out, parameters.source, lakehouse)
        case Keep():
            # After a killed promotion, the endpoint may be ahead of the alias.
            current = champion or challenger
            rolled = find_rolled(lakehouse.workspace, lakehouse.registry, model)
            if rolled:
                print(f"Version {rolled.version} is being rolled out: the endpoint is left alone.")
                return
            check = partial(check_served, lakehouse, current, held_out, parameters.source)
            serve(current, current, held_out, check, lakehouse, lambda: None)
            lakehouse.set_task_value("champion", current.version)
        case NeedsApproval():
            asked = require(challenger, approval, lakehouse)
            raise PromotionRefusedError(f"{decision.reason}\n{asked}")
        case Reject():
            raise PromotionRefusedError(decision.reason)


def find_other_judgement(
    challenger: ModelVersion, policy: Policy, parameters: DeployParameters, lakehouse: Lakehouse
) -> Reject | None:
    """Reject a version validated with other code, policy or rows, or trained on these rows."""
    as_of = challenger.require_as_of()
    holdout = load_holdout(as_of, policy, parameters.source, lakehouse)
    rows = holdout.rows.select(*PROBLEM.keys, PROBLEM.label.column).toPandas()
    now = trace_judgement(as_of, parameters.policy, holdout, rows)
    flaw = find_mismatch(challenger, now) or find_overlap(challenger, holdout.interval.start)
    if flaw is None:
        return None
    return Reject(f"Version {challenger.version} may not be promoted: {flaw}")


def find_holdout_start(challenger: ModelVersion, policy: Policy) -> datetime:
    """Return the start of a version's holdout."""
    as_of = challenger.require_as_of()
    return split_windows(as_of, policy.windows, PROBLEM.label_maturity).holdout.start


def predict_held_out(
    challenger: ModelVersion,
    champion: ModelVersion | None,
    policy: Policy,
    source: str,
    lakehouse: Lakehouse,
) -> pd.DataFrame:
    """Return the held-out rows with label, prediction and the incumbent's prediction.

    The predictions that validate logged are used if the incumbent is the same; otherwise the rows
    are scored again.
    """
    kept = read_predictions(challenger)
    if kept is not None and HEURISTIC not in kept:
        kept = None  # logged by an earlier version of this code
    is_champion = champion is not None and champion.version == challenger.version
    incumbent = champion.version if champion else 0
    if kept is not None and (is_champion or (kept[INCUMBENT_VERSION] == incumbent).all()):
        return kept
    holdout = load_holdout(challenger.require_as_of(), policy, source, lakehouse)
    scored = score_holdout(challenger, holdout, policy, source, lakehouse)
    return scored if is_champion else add_incumbent(scored, holdout, champion, lakehouse)


def promote(
    challenger: ModelVersion,
    champion: ModelVersion | None,
    held_out: pd.DataFrame,
    source: str,
    lakehouse: Lakehouse,
) -> None:
    """Serve the challenger, if there is an endpoint, and make it the Champion.

    Raises:
        LakehouseError: The challenger does not serve as validated, or another writer moved the
            alias Champion; endpoint and alias did not change.
    """
    previous = champion.version if champion else None
    tags = {PREVIOUS_TAG: str(previous) if previous else "none"}
    tag_version(lakehouse.registry, challenger, **tags)
    check = partial(check_served, lakehouse, challenger, held_out, source)
    commit = partial(make_champion, challenger, previous, lakehouse)
    try:
        check_batch(challenger, held_out, lakehouse)
        serve(challenger, champion, held_out, check, lakehouse, commit)
    except Exception as error:
        if read_aliases(lakehouse.registry, challenger.model).get(CHAMPION) != challenger.version:
            tag_decision(challenger, Reject(f"It was not deployed: {error}"), lakehouse)
        raise
    lakehouse.set_task_value("champion", challenger.version)
    print(f"Version {challenger.version} of {challenger.model} is {CHAMPION}.")


def tag_decision(challenger: ModelVersion, decision: Decision, lakehouse: Lakehouse) -> None:
    """Record a decision as tags of the version."""
    tag_version(
        lakehouse.registry, challenger, decision=decision.label, decision_reason=decision.reason
    )


def starts_by_degrees(parameters: DeployParameters) -> bool:
    """Return whether a version is rolled out in steps, not at once."""
    if not load_serving().endpoint:
        return False
    return load_rollout(PROBLEM.model_type, parameters.rollout).mode != "immediate"


def start_rollout(
    challenger: ModelVersion,
    champion: ModelVersion,
    held_out: pd.DataFrame,
    parameters: DeployParameters,
    lakehouse: Lakehouse,
) -> None:
    """Start the job that rolls the challenger out in steps, and then moves the alias.

    Idempotent: a second run has no effect.

    Raises:
        LakehouseError: Batch does not predict as validated; no job was started.
    """
    try:
        check_batch(challenger, held_out, lakehouse)
    except Exception as error:
        # The job rolls out what is tagged as promoted.
        tag_decision(challenger, Reject(f"It was not deployed: {error}"), lakehouse)
        raise
    if ENDED_TAG in challenger.tags:
        # A new roll-out begins at its first step. The progress first: without it, none is running.
        for tag in (PROGRESS_TAG, ENDED_TAG):
            if tag in challenger.tags:
                lakehouse.registry.delete_model_version_tag(
                    challenger.model, str(challenger.version), tag
                )
    tag_version(lakehouse.registry, challenger, **{PREVIOUS_TAG: str(champion.version)})
    started = lakehouse.workspace.jobs.run_now(
        job_id=parameters.rollout_job,
        job_parameters={
            "model_version": str(challenger.version),
            "policy": parameters.policy,
            "rollout": parameters.rollout,
        },
    )
    print(
        f"The job rollout, run {started.run_id}, gives version {challenger.version} traffic beside "
        f"{CHAMPION} version {champion.version}, which stays {CHAMPION} until the roll-out "
        "succeeds."
    )
    lakehouse.set_task_value("rollout_run", started.run_id)


def make_champion(challenger: ModelVersion, previous: int | None, lakehouse: Lakehouse) -> None:
    """Move the alias Champion from the compared version to the challenger.

    Raises:
        LakehouseError: Another writer moved the alias; it is not changed.
    """
    current = read_aliases(lakehouse.registry, challenger.model).get(CHAMPION)
    if current != previous:
        raise LakehouseError(
            f"{CHAMPION} of {challenger.model} was version {previous} and is {current} now: "
            "another writer moved it. Run the job again."
        )
    try:
        set_alias(lakehouse.registry, challenger, CHAMPION)
    except Exception:
        # The registry may have moved the alias although the response was lost.
        if read_aliases(lakehouse.registry, challenger.model).get(CHAMPION) != challenger.version:
            raise


def serve(
    version: ModelVersion,
    champion: ModelVersion | None,
    rows: pd.DataFrame,
    check: Check,
    lakehouse: Lakehouse,
    commit: Callable[[], None],
) -> None:
    """Serve a version that passes a check, if there is an endpoint.

    `rows` are some valid input rows; `commit` makes the version the Champion, once the endpoint
    serves it.
    """
    serving = load_serving()
    if not serving.endpoint:
        print("conf/serving.yml configures no endpoint.")
        commit()
        return
    endpoint = roll_out(
        lakehouse.workspace,
        version,
        champion,
        Size(serving.workload_size, serving.scale_to_zero),
        check,
        commit,
        partial(mark_served, lakehouse, rows),
    )
    print(f"Endpoint {endpoint} serves version {version.version}.")
    lakehouse.set_task_value("endpoint", endpoint)


def require_look_ups(parameters: DeployParameters, lakehouse: Lakehouse) -> None:
    """Check, if there is an endpoint, that its features can be looked up.

    Raises:
        OnlineStoreMissingError: There is no online store.
        PublicationError: A feature table is not online.
    """
    if load_serving().endpoint:
        require_online_store(lakehouse.feature_store, parameters.online_store)
        tables = [in_schema(parameters.source, table.name) for table in PROBLEM.feature_tables]
        require_online(lakehouse.workspace, tables)


def main() -> None:
    """Run the task from its command line."""
    run(DeployParameters.parse(), Lakehouse())
