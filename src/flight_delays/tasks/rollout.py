"""Task: give a version traffic by degrees, beside the Champion, while nothing speaks against it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from time import sleep
from typing import NoReturn

from ..config.policy import load_policy
from ..config.rollout import RolloutPolicy, load_rollout
from ..config.serving import load_serving
from ..lakehouse.context import Lakehouse
from ..lakehouse.endpoint import (
    Size,
    describe_entity,
    endpoint_name,
    serve_alone,
    write_configuration,
)
from ..lakehouse.errors import EndpointError, LakehouseError
from ..lakehouse.registry import (
    read_aliases,
    read_version,
    remove_alias,
    require_aliases,
    tag_version,
)
from ..lakehouse.rollout_steps import STEPS, write_step
from ..lakehouse.split_traffic import Pair, admit_beside, find_rolled, hand_over, leave_alone, split
from ..problem import PROBLEM
from ..promotion.decide import CHALLENGER, CHAMPION, Keep, Passed, Promote, Reject
from ..promotion.model_version import ENDED_TAG, PROGRESS_TAG, REJECTED_TAG, ModelVersion
from ..promotion.rollback import PREVIOUS_TAG
from ..promotion.rollout import Advance, Evidence, Finish, Hold, RollBack, Verdict, decide_rollout
from .deploy import make_champion, predict_held_out
from .parameters import FullName, Instant, Parameters, SchemaName, Text, in_schema
from .rollback import bring
from .rollout_evidence import Observer, Split, find_edges
from .rollout_page import show
from .served_checks import check_served, mark_served

# Of the job, by resources/rollout.job.yml.
LONGEST_RUN = timedelta(days=2)


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
    serving = load_serving()
    size = Size(serving.workload_size, serving.scale_to_zero)
    rollout = Rollout(
        parameters,
        lakehouse,
        policy,
        Pair(
            lakehouse.workspace,
            endpoint_name(parameters.model),
            describe_entity(champion, size),
            describe_entity(challenger, size),
        ),
        start_clock(parameters.started_at),
    )
    if reason := challenger.tags.get(REJECTED_TAG):
        take_back(rollout, challenger, reason)
    if challenger.version == champion.version:
        finish(rollout, challenger)
        return
    require_promoted(challenger, champion)
    if policy.mode == "immediate":
        raise LakehouseError(
            f"conf/{parameters.rollout}.yml has mode immediate; allowed: gradual or ab. Run "
            "model_training: its deploy gives a version all traffic at once."
        )
    follow(rollout, challenger, champion, wait)


def start_clock(started_at: datetime) -> Callable[[], datetime]:
    """Return what tells the time: the real one, also in a retry, unless the job's was set apart."""
    apart = started_at - datetime.now(UTC)
    if abs(apart) < LONGEST_RUN:
        apart = timedelta()
    return lambda: datetime.now(UTC) + apart


def find_versions(
    parameters: RolloutParameters, lakehouse: Lakehouse
) -> tuple[ModelVersion | None, ModelVersion | None]:
    """Return the version to roll out and the Champion; None for each where there is none."""
    registry, model = lakehouse.registry, parameters.model
    aliases = require_aliases(registry, model, "Run model_training first: it registers the model")
    number = aliases.get(CHAMPION)
    champion = read_version(registry, model, number) if number else None
    if asked := parameters.model_version.strip():
        return read_version(registry, model, int(asked)), champion
    rolled = find_rolled(lakehouse.workspace, registry, model)
    if rolled is None and CHALLENGER in aliases:
        newest = read_version(registry, model, aliases[CHALLENGER])
        rolled = None if newest.version == number or ENDED_TAG in newest.tags else newest
    return rolled, champion


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
    gate = load_policy(parameters.policy, PROBLEM.model_type)
    held_out = predict_held_out(challenger, champion, gate, parameters.source, lakehouse)
    mark = partial(mark_served, lakehouse, held_out)
    splits = read_progress(challenger)
    if not splits:
        limit = load_serving().latency_limit_ms
        check = partial(check_served, lakehouse, challenger, held_out, parameters.source, limit)
        admit_beside(rollout.pair, check, mark)
        splits = begin(rollout, challenger, (), policy.judged_steps[0])
    edges = find_edges(held_out["prediction"])
    observer = Observer(lakehouse, parameters.target, champion, challenger, edges)
    columns = gate.validation.slices.columns if gate.validation.slices else []
    for look in count():
        current = read_version(lakehouse.registry, challenger.model, challenger.version)
        if reason := current.tags.get(REJECTED_TAG):
            take_back(rollout, challenger, reason)
        require_champion(rollout, challenger, champion)
        split(rollout.pair, splits[-1].percent, policy.judged_steps, mark)
        if policy.probes:
            rows = held_out[list(PROBLEM.columns)]
            asked = rows.sample(min(policy.probes, len(rows)), random_state=look)
            observer.ask(rollout.pair.endpoint, rollout.pair.names, asked, rollout.now())
        now = rollout.now()
        evidence = Evidence(
            steps=observer.count(splits, policy, now),
            minutes=(now - splits[0].since).total_seconds() / 60,
            offline_gate_passed=current.status == Passed.status,
        )
        decision = decide_rollout(evidence, policy)
        print(f"{now:%H:%M:%S} {splits[-1].percent} %: {decision.label}: {decision.reason}")
        if not isinstance(decision, Hold):
            record(rollout, decision, splits[-1].percent, challenger, champion)
            show(observer, decision, evidence, policy, splits[0].since, now, columns)
        match decision:
            case Hold():
                wait(policy.look_seconds)
            case Advance():
                splits = begin(rollout, challenger, splits, decision.next_percent)
            case RollBack():
                take_back(rollout, challenger, decision.reason)
            case Finish(winner=winner) if winner == CHAMPION:
                keep(rollout, challenger, decision)
                return
            case Finish():
                if splits[-1].percent != 100:
                    begin(rollout, challenger, splits, 100)
                try:
                    hand_over(rollout.pair, mark)
                except EndpointError as error:
                    take_back(rollout, challenger, f"With all traffic it fails: {error}")
                make_champion(challenger, champion.version, lakehouse)
                finish(rollout, challenger)
                return


def begin(
    rollout: Rollout, challenger: ModelVersion, splits: Sequence[Split], percent: int
) -> tuple[Split, ...]:
    """Record that a step begins, before the endpoint is told: a killed run goes on with it."""
    begun = (*splits, Split(percent, rollout.now()))
    written = json.dumps([[split.percent, split.since.isoformat()] for split in begun])
    tag_version(rollout.lakehouse.registry, challenger, **{PROGRESS_TAG: written})
    return begun


def read_progress(challenger: ModelVersion) -> tuple[Split, ...]:
    """Return the steps that were begun; none where the roll-out has not."""
    written = json.loads(challenger.tags.get(PROGRESS_TAG, "[]"))
    return tuple(Split(percent, datetime.fromisoformat(since)) for percent, since in written)


def require_champion(rollout: Rollout, challenger: ModelVersion, champion: ModelVersion) -> None:
    """Refuse to go on where another version has become Champion meanwhile.

    Raises:
        LakehouseError: One has; the endpoint is brought to it.
    """
    lakehouse = rollout.lakehouse
    number = read_aliases(lakehouse.registry, champion.model).get(CHAMPION)
    if number == champion.version:
        return
    reason = (
        f"{CHAMPION} was version {champion.version} and is {number or 'none'} now: version "
        f"{challenger.version} was never compared with it. Run model_training"
    )
    end(rollout, challenger, f"given up: {reason}")
    if number is not None:
        current = read_version(lakehouse.registry, champion.model, number)
        bring(current, current, rollout.parameters.source, lakehouse)
    raise LakehouseError(reason)


def take_back(rollout: Rollout, challenger: ModelVersion, reason: str) -> NoReturn:
    """Give all traffic back to the Champion, and take the alias from the version.

    Raises:
        RolledBackError: Always, so that the run fails and people are told.
    """
    registry = rollout.lakehouse.registry
    rejected = Reject(reason)
    tags = {REJECTED_TAG: rejected.reason, "decision": rejected.label}
    tag_version(registry, challenger, **tags, decision_reason=rejected.reason)
    leave_alone(rollout.pair, rollout.pair.champion)
    remove_alias(registry, challenger, CHALLENGER)
    end(rollout, challenger, f"rolled back: {rejected.reason}")
    raise RolledBackError(
        f"Version {challenger.version} of {challenger.model} was rolled back: {rejected.reason}"
    )


def keep(rollout: Rollout, challenger: ModelVersion, decision: Finish) -> None:
    """End an A/B test that the Champion has won, or that has shown nothing."""
    kept = Keep(decision.reason)
    tags = {"decision": kept.label, "decision_reason": kept.reason}
    tag_version(rollout.lakehouse.registry, challenger, **tags)
    leave_alone(rollout.pair, rollout.pair.champion)
    end(rollout, challenger, f"kept: {kept.reason}")


def finish(rollout: Rollout, challenger: ModelVersion) -> None:
    """Have the new Champion served alone, once the alias has moved."""
    leave_alone(rollout.pair, rollout.pair.challenger)
    end(rollout, challenger, "finished")
    print(f"Version {challenger.version} of {challenger.model} is {CHAMPION}.")
    rollout.lakehouse.set_task_value("champion", challenger.version)


def end(rollout: Rollout, challenger: ModelVersion, how: str) -> None:
    """Record that the roll-out is over."""
    tag_version(rollout.lakehouse.registry, challenger, **{ENDED_TAG: Reject(how).reason})


def record(
    rollout: Rollout,
    decision: Verdict,
    percent: int,
    challenger: ModelVersion,
    champion: ModelVersion,
) -> None:
    """Write what was decided to the table of steps."""
    write_step(
        rollout.lakehouse.spark,
        in_schema(rollout.parameters.target, STEPS),
        model=challenger.model,
        version=challenger.version,
        champion=champion.version,
        share=percent,
        decided_at=rollout.now(),
        decision=decision.label,
        reason=decision.reason,
        figures=[asdict(figure) for figure in decision.figures],
        former=write_configuration(serve_alone(rollout.pair.champion)),
        job_run=rollout.parameters.job_run,
    )


def main() -> None:
    """Run the task from its command line."""
    run(RolloutParameters.parse(), Lakehouse())
