"""Task: give a version traffic by degrees, beside the Champion, while nothing speaks against it."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic, sleep

from ..config.policy import load_policy
from ..config.rollout import RolloutPolicy, load_rollout
from ..config.serving import load_serving
from ..lakehouse.context import Lakehouse
from ..lakehouse.endpoint import Part, Size, describe_entity, endpoint_name
from ..lakehouse.errors import LakehouseError
from ..lakehouse.registry import (
    read_aliases,
    read_version,
    remove_alias,
    require_aliases,
    tag_version,
)
from ..lakehouse.rollout import roll_out
from ..lakehouse.rollout_steps import STEPS, write_step
from ..lakehouse.split_traffic import Pair, admit_beside, find_rolled, hand_over, put_back, split
from ..problem import PROBLEM
from ..promotion.decide import CHALLENGER, CHAMPION, Passed, Promote, Reject
from ..promotion.model_version import REJECTED_TAG, ModelVersion
from ..promotion.rollback import PREVIOUS_TAG
from ..promotion.rollout import Advance, Evidence, Finish, Hold, RollBack, Verdict, decide_rollout
from .deploy import make_champion, predict_held_out
from .parameters import FullName, Instant, Parameters, SchemaName, Text, in_schema
from .rollout_evidence import Observer, Split, find_edges
from .served_checks import check_served, mark_served

# When each step began; written before the endpoint is told of it.
PROGRESS_TAG = "rollout"
ENDED_TAG = "rollout_ended"


class RolledBackError(Exception):
    """The version was taken back; Champion and endpoint are as they were."""


class RolloutParameters(Parameters):
    """Parameters of the rollout task.

    Attributes:
        model: Full name of the registered model.
        source: Schema of the feature tables, with its catalog.
        target: Schema that the endpoint logs to, with its catalog.
        model_version: Version to roll out; blank means what is being rolled out, or the Challenger.
        policy: Policy file under conf/.
        rollout: File under conf/ that says how a version gets its traffic.
        started_at: When the job started.
        job_run: Run of the job.
    """

    model: FullName
    source: SchemaName
    target: SchemaName
    model_version: str = ""
    policy: Text
    rollout: Text
    started_at: Instant
    job_run: Text


@dataclass(frozen=True)
class Rollout:
    """A roll-out that is going on.

    Attributes:
        parameters: The task's.
        lakehouse: The platform's clients.
        policy: Steps and limits.
        pair: The two versions and their endpoint.
        now: Tells the time.
    """

    parameters: RolloutParameters
    lakehouse: Lakehouse
    policy: RolloutPolicy
    pair: Pair
    now: Callable[[], datetime]


def run(
    parameters: RolloutParameters, lakehouse: Lakehouse, wait: Callable[[float], None] = sleep
) -> None:
    """Go on from where endpoint and tags stand, step by step, until it is decided.

    Killed at any point, the task can run again.

    Raises:
        RolledBackError: The version does harm, and was taken back.
        LakehouseError: It may not be rolled out, or endpoint or alias were changed by others.
    """
    policy = load_rollout(PROBLEM.model_type, parameters.rollout)
    challenger, champion = find_versions(parameters, lakehouse)
    if challenger is None or champion is None:
        print("Nothing to roll out: no version waits for traffic beside a Champion.")
        return
    begun, clock = parameters.started_at, monotonic()
    serving = load_serving()
    size = Size(serving.workload_size, serving.scale_to_zero)
    rollout = Rollout(
        parameters,
        lakehouse,
        policy,
        Pair(
            lakehouse.workspace,
            endpoint_name(parameters.model),
            Part(describe_entity(champion, size), 100),
            Part(describe_entity(challenger, size), 0),
        ),
        lambda: begun + timedelta(seconds=monotonic() - clock),
    )
    if reason := challenger.tags.get(REJECTED_TAG):
        take_back(rollout, challenger, champion, reason)
    if challenger.version == champion.version:
        finish(rollout, challenger, champion)
        return
    require_promoted(challenger, champion)
    follow(rollout, challenger, champion, wait)


def find_versions(
    parameters: RolloutParameters, lakehouse: Lakehouse
) -> tuple[ModelVersion | None, ModelVersion | None]:
    """Return the version to roll out and the Champion; None for each where there is none."""
    registry, model = lakehouse.registry, parameters.model
    aliases = require_aliases(registry, model, "Run model_training first: it registers the model")
    champion = aliases.get(CHAMPION)
    asked = parameters.model_version.strip()
    number = int(asked) if asked else find_rolled(lakehouse.workspace, model, champion)
    number = number or aliases.get(CHALLENGER)
    if number is None or champion is None:
        return None, None
    challenger = read_version(registry, model, number)
    if not asked and (number == champion or ENDED_TAG in challenger.tags):
        return None, None
    return challenger, read_version(registry, model, champion)


def require_promoted(challenger: ModelVersion, champion: ModelVersion) -> None:
    """Refuse a version that deploy has not decided to promote over this Champion.

    Raises:
        LakehouseError: It has not.
    """
    decision = challenger.tags.get("decision")
    compared = challenger.tags.get(PREVIOUS_TAG)
    if decision != Promote.label or compared != str(champion.version):
        raise LakehouseError(
            f"Version {challenger.version} of {challenger.model} may not be rolled out: deploy "
            f"decided {decision or 'nothing'} for it, compared with version {compared or 'none'}; "
            f"{CHAMPION} is version {champion.version}. Run model_training: it compares again."
        )


def follow(
    rollout: Rollout,
    challenger: ModelVersion,
    champion: ModelVersion,
    wait: Callable[[float], None],
) -> None:
    """Look at what both versions answer, and do what is decided, until there is an end."""
    parameters, lakehouse, policy = rollout.parameters, rollout.lakehouse, rollout.policy
    held_out = predict_held_out(
        challenger,
        champion,
        load_policy(parameters.policy, PROBLEM.model_type),
        parameters.source,
        lakehouse,
    )
    mark = partial(mark_served, lakehouse, held_out)
    splits = read_progress(challenger)
    if not splits:
        limit = load_serving().latency_limit_ms
        check = partial(check_served, lakehouse, challenger, held_out, parameters.source, limit)
        admit_beside(rollout.pair, check, mark)
        splits = begin(rollout, challenger, (), policy.judged_steps[0])
    edges = find_edges(held_out["prediction"])
    observer = Observer(lakehouse, parameters.target, champion, challenger, edges)
    looks = 0
    while True:
        require_champion(rollout, champion)
        split(rollout.pair, splits[-1].percent, policy.steps, mark)
        names = (rollout.pair.champion.name, rollout.pair.challenger.name)
        rows = held_out[list(PROBLEM.columns)]
        if policy.probes:
            asked = rows.sample(min(policy.probes, len(rows)), random_state=looks)
            observer.ask(rollout.pair.endpoint, names, asked, rollout.now())
        now = rollout.now()
        status = read_version(lakehouse.registry, challenger.model, challenger.version).status
        evidence = Evidence(
            steps=observer.count(splits, policy, now),
            minutes=(now - splits[0].since).total_seconds() / 60,
            offline_gate_passed=status == Passed.status,
        )
        decision = decide_rollout(evidence, policy)
        tell(rollout, decision, splits[-1].percent, repeated=looks > 0)
        if not isinstance(decision, Hold):
            record(rollout, decision, splits[-1].percent, challenger, champion)
        match decision:
            case Hold():
                wait(policy.look_seconds)
                looks += 1
            case Advance():
                splits = begin(rollout, challenger, splits, decision.next_percent)
                looks = 0
            case RollBack():
                take_back(rollout, challenger, champion, decision.reason)
            case Finish(winner=winner):
                if winner == CHAMPION:
                    keep(rollout, challenger, champion, decision)
                else:
                    hand_over(rollout.pair, mark)
                    make_champion(challenger, champion.version, lakehouse)
                    finish(rollout, challenger, champion)
                return
