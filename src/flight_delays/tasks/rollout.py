"""Task: roll a version out in steps next to the Champion, unless it does harm."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from secrets import token_hex
from time import sleep

from ..config.policy import load_policy
from ..config.rollout import load_rollout
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
from ..lakehouse.registry import read_version, require_aliases
from ..lakehouse.results import STEPS, write_step
from ..lakehouse.rollout import Mark
from ..lakehouse.split_traffic import (
    Pair,
    add_challenger,
    find_rolled,
    hand_over,
    require_expected,
    split,
)
from ..problem import PROBLEM
from ..promotion.decide import CHALLENGER, CHAMPION, Keep, Passed, Promote
from ..promotion.model_version import ENDED_TAG, PROGRESS_TAG, ModelVersion
from ..promotion.rollback import PREVIOUS_TAG
from ..promotion.rollout import Advance, Evidence, Finish, Hold, RollBack, Verdict, decide_rollout
from .deploy import make_champion, predict_held_out
from .parameters import FullName, Instant, Parameters, SchemaName, Text, in_schema
from .rollout_ends import (
    ROLLED_BACK,
    Rollout,
    claim,
    finish,
    give_up,
    keep,
    require_own,
    take_back,
)
from .rollout_evidence import Observer, Split, find_edges
from .served_checks import check_served, mark_served

# Timeout of the job in resources/rollout.job.yml.
LONGEST_RUN = timedelta(days=15)


class RolloutParameters(Parameters):
    """Parameters of the rollout task.

    Attributes:
        model_version: Version to roll out; empty for the one in progress, or the Challenger.
    """

    model: FullName
    source: SchemaName
    target: SchemaName
    model_version: str = ""
    policy: Text
    rollout: Text
    started_at: Instant
    job_run: Text


def run(
    parameters: RolloutParameters, lakehouse: Lakehouse, wait: Callable[[float], None] = sleep
) -> None:
    """Run the steps of a rollout until it is decided.

    Idempotent: after a kill, another run resumes from the state of endpoint and tags.

    Raises:
        RolledBackError: The version does harm, and was rolled back.
        LakehouseError: It may not be rolled out, or another writer changed endpoint or alias.
    """
    policy = load_rollout(PROBLEM.model_type, parameters.rollout)
    challenger, champion = find_versions(parameters, lakehouse)
    if challenger is None or champion is None:
        print("Nothing to roll out: no version waits for traffic beside a Champion.")
        return
    serving = load_serving()
    size = Size(serving.workload_size, serving.scale_to_zero)
    rollout = Rollout(
        lakehouse,
        parameters.source,
        policy,
        champion,
        challenger,
        Pair(
            lakehouse.workspace,
            endpoint_name(parameters.model),
            describe_entity(champion, size),
            describe_entity(challenger, size),
        ),
        f"{parameters.job_run}-{token_hex(4)}",
        start_clock(parameters.started_at),
    )
    if complete(rollout):
        return
    require_promoted(challenger, champion)
    if policy.mode == "immediate":
        raise LakehouseError(
            f"conf/{parameters.rollout}.yml has mode immediate; allowed: gradual or ab. Run "
            "model_training: its deploy gives a version all traffic at once."
        )
    follow(rollout, parameters, wait)


def complete(rollout: Rollout) -> bool:
    """Complete a decision of a killed run or of a person; return whether the rollout is over.

    Raises:
        RolledBackError: The version was being rolled back.
        LakehouseError: Another version has become Champion.
    """
    challenger, champion = rollout.challenger, rollout.champion
    if challenger.rejection is not None:
        take_back(rollout, challenger.rejection)
    if challenger.version == champion.version:
        finish(rollout)
        return True
    if not challenger.is_rolling_out:
        return False
    decision = challenger.tags.get("decision")
    if decision == Keep.label:
        keep(rollout, challenger.tags["decision_reason"])
        return True
    if challenger.tags.get(PREVIOUS_TAG) != str(champion.version):
        give_up(rollout, champion.version)
    if decision != Promote.label:
        # Another run of deploy. Without this, the version would keep its traffic.
        reason = challenger.tags.get("decision_reason", "no reason is recorded")
        take_back(rollout, f"Deploy has decided {decision or 'nothing'} meanwhile: {reason}")
    return False


def start_clock(started_at: datetime) -> Callable[[], datetime]:
    """Return the clock: the real time, or shifted to a start of the job over 15 days away."""
    apart = started_at - datetime.now(UTC)
    if abs(apart) < LONGEST_RUN:
        apart = timedelta()
    return lambda: datetime.now(UTC) + apart


def find_versions(
    parameters: RolloutParameters, lakehouse: Lakehouse
) -> tuple[ModelVersion | None, ModelVersion | None]:
    """Return the version to roll out and the Champion, each None if missing."""
    registry, model = lakehouse.registry, parameters.model
    aliases = require_aliases(registry, model, "Run model_training first: it registers the model")
    number = aliases.get(CHAMPION)
    champion = read_version(registry, model, number) if number else None
    if asked := parameters.model_version.strip():
        return read_version(registry, model, int(asked)), champion
    rolled = find_rolled(lakehouse.workspace, registry, model)
    if rolled is None and CHALLENGER in aliases:
        newest = read_version(registry, model, aliases[CHALLENGER])
        ended = newest.tags.get(ENDED_TAG, ROLLED_BACK)
        # A rollback removes the alias last.
        if newest.version != number and ended.startswith(ROLLED_BACK):
            rolled = newest
    return rolled, champion


def require_promoted(challenger: ModelVersion, champion: ModelVersion) -> None:
    """Check that deploy decided to promote the version over this Champion, and that it is valid.

    Raises:
        LakehouseError: It did not, or a later validation has not passed.
    """
    decision = challenger.tags.get("decision")
    compared = challenger.tags.get(PREVIOUS_TAG)
    if decision != Promote.label or compared != str(champion.version):
        raise LakehouseError(
            f"Version {challenger.version} of {challenger.model} may not be rolled out: deploy "
            f"decided {decision or 'nothing'} for it, compared with version {compared or 'none'}; "
            f"{CHAMPION} is version {champion.version}. Run model_training: it compares again."
        )
    if ended := challenger.tags.get(ENDED_TAG):
        raise LakehouseError(
            f"The roll-out of version {challenger.version} of {challenger.model} has ended "
            f"({ended}). Run the task deploy on it: it compares again, and starts a new roll-out."
        )
    # One that has traffic is judged at the next look, and loses it.
    if challenger.status != Passed.status and not challenger.is_rolling_out:
        raise LakehouseError(
            f"Version {challenger.version} of {challenger.model} gets no traffic: its validation "
            f"status is {challenger.status!r}, expected {Passed.status!r}. Run validate on it."
        )


def follow(rollout: Rollout, parameters: RolloutParameters, wait: Callable[[float], None]) -> None:
    """Compare both versions' responses and apply each decision, until the rollout has ended."""
    lakehouse, policy = rollout.lakehouse, rollout.policy
    challenger, champion = rollout.challenger, rollout.champion
    gate = load_policy(parameters.policy, PROBLEM.model_type)
    held_out = predict_held_out(challenger, champion, gate, parameters.source, lakehouse)
    mark = partial(mark_served, lakehouse, held_out)
    splits = read_progress(claim(rollout))
    if not splits:
        check = partial(check_served, lakehouse, challenger, held_out, parameters.source)
        add_challenger(rollout.pair, check, mark)
        require_own(rollout)
        splits = begin(rollout, (), policy.judged_steps[0])
    edges = find_edges(held_out["prediction"])
    observer = Observer(lakehouse, parameters.target, champion, challenger, edges)
    columns = gate.validation.slices.columns if gate.validation.slices else []
    for look in count():
        current = require_own(rollout)
        if splits[-1].percent == 100:
            # Decided at the previous look, or by a killed run.
            give_all(rollout, mark)
            return
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
        if isinstance(decision, Hold):
            wait(policy.look_seconds)
            continue
        require_own(rollout)
        try:
            record(rollout, parameters, decision, splits[-1].percent)
            observer.show(decision, evidence, policy, splits[0].since, now, columns)
        finally:
            # Also if the table or the page cannot be written.
            if isinstance(decision, RollBack):
                take_back(rollout, decision.reason)
        match decision:
            case Advance():
                splits = begin(rollout, splits, decision.next_percent)
            case Finish(winner=winner) if winner == CHAMPION:
                keep(rollout, decision.reason)
                return
            case Finish():
                splits = begin(rollout, splits, 100)


def give_all(rollout: Rollout, mark: Mark) -> None:
    """Give the version all traffic and make it the Champion; roll it back if it fails.

    Raises:
        RolledBackError: The version does not answer.
        EndpointError: The endpoint has a configuration that is not of this rollout.
    """
    require_expected(rollout.pair, (0, *rollout.policy.judged_steps, 100))
    try:
        hand_over(rollout.pair, mark)
    except EndpointError as error:
        require_own(rollout)
        take_back(rollout, f"With all traffic it fails: {error}")
    require_own(rollout)
    make_champion(rollout.challenger, rollout.champion.version, rollout.lakehouse)
    finish(rollout)


def begin(rollout: Rollout, splits: Sequence[Split], percent: int) -> tuple[Split, ...]:
    """Record the start of a step before the endpoint is updated, so that a retry resumes it."""
    begun = (*splits, Split(percent, rollout.now()))
    written = json.dumps([[split.percent, split.since.isoformat()] for split in begun])
    rollout.tag(**{PROGRESS_TAG: written})
    return begun


def read_progress(challenger: ModelVersion) -> tuple[Split, ...]:
    """Return the steps so far; empty before the rollout starts."""
    written = json.loads(challenger.tags.get(PROGRESS_TAG, "[]"))
    return tuple(Split(percent, datetime.fromisoformat(since)) for percent, since in written)


def record(
    rollout: Rollout, parameters: RolloutParameters, decision: Verdict, percent: int
) -> None:
    """Write a decision to the table of steps."""
    write_step(
        rollout.lakehouse.spark,
        in_schema(parameters.target, STEPS),
        model=rollout.challenger.model,
        version=rollout.challenger.version,
        champion=rollout.champion.version,
        share=percent,
        decided_at=rollout.now(),
        decision=decision.label,
        reason=decision.reason,
        figures=[asdict(figure) for figure in decision.figures],
        former=write_configuration(serve_alone(rollout.pair.champion)),
        job_run=parameters.job_run,
    )


def main() -> None:
    """Run the task from its command line."""
    run(RolloutParameters.parse(), Lakehouse())
