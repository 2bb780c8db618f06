"""Responses of both versions of a rollout, counted by step, and the page that shows them."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from ..config.rollout import Quality, RolloutPolicy
from ..lakehouse.answers import Answer, RequestLoss, average, probe, read_logged, read_losses
from ..lakehouse.context import Lakehouse
from ..lakehouse.served_version import ServedVersion
from ..problem import PROBLEM
from ..promotion.arms import Arm, Step
from ..promotion.decide import CHALLENGER, CHAMPION
from ..promotion.model_version import ModelVersion
from ..promotion.rollout import Evidence, Verdict
from ..reports.rollout_report import RolloutReport, write_rollout_page
from ..spec.inference_log import LABELLED, log_columns
from .parameters import in_schema

BINS = 20
PAGES = {"ab": "ab.html", "gradual": "rollout.html"}


@dataclass(frozen=True)
class Split:
    """A share of the traffic, from an instant on."""

    percent: int
    since: datetime


@dataclass(frozen=True)
class Observer:
    """Counter of both versions' responses.

    Attributes:
        edges: Inner edges of the bins of scores, fixed before the rollout.
        probed: Responses to this run's probes.
    """

    lakehouse: Lakehouse
    schema: str
    champion: ModelVersion
    challenger: ModelVersion
    edges: Sequence[float]
    probed: list[Answer] = field(default_factory=list)

    def ask(self, endpoint: str, names: Sequence[str], rows: pd.DataFrame, now: datetime) -> None:
        """Send the same rows to both versions, by entity name."""
        for version, name in zip((self.champion, self.challenger), names, strict=True):
            served = ServedVersion(
                self.lakehouse.workspace,
                endpoint,
                name,
                PROBLEM.model_type,
                version.model,
                version.version,
            )
            self.probed.extend(probe(served, rows, now))

    def read_losses(
        self, quality: Quality, since: datetime, columns: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Return the labelled rows with their loss."""
        of = PROBLEM.model_type.require_loss(quality.loss).of
        table = in_schema(self.schema, LABELLED)
        return read_losses(self.lakehouse.spark, table, self.challenger.model, since, of, columns)

    def show(
        self,
        decision: Verdict,
        evidence: Evidence,
        policy: RolloutPolicy,
        since: datetime,
        now: datetime,
        columns: Sequence[str],
    ) -> None:
        """Log the page of a decision to the training run, with effects by column value."""
        champion, challenger = self.champion, self.challenger
        losses = pd.DataFrame()
        known = log_columns(PROBLEM)
        slices = [name for name in columns if name in known] if policy.quality else []
        if policy.quality:
            losses = self.read_losses(policy.quality, since, slices)
            arms = {champion.version: CHAMPION, challenger.version: CHALLENGER}
            losses["arm"] = losses["version"].map(arms)
        report = RolloutReport(
            model=challenger.model,
            champion=champion.version,
            challenger=challenger.version,
            ended_at=now,
            decision=decision,
            steps=evidence.steps,
            figures=decision.figures,
            losses=losses,
            loss=policy.quality.loss if policy.quality else "loss",
            slices=slices,
        )
        page = PAGES[policy.mode]
        self.lakehouse.registry.log_text(challenger.run_id, write_rollout_page(report), page)
        print(f"{page} of version {challenger.version} shows both arms.")

    def count(
        self, splits: Sequence[Split], policy: RolloutPolicy, now: datetime
    ) -> tuple[Step, ...]:
        """Return the counts of each step, the present one last."""
        model, start = self.challenger.model, splits[0].since
        spark, workspace = self.lakehouse.spark, self.lakehouse.workspace
        allows = PROBLEM.model_type.allows
        logged = read_logged(spark, workspace, self.schema, model, start, allows)
        losses = average(self.read_losses(policy.quality, start)) if policy.quality else ()
        limit = policy.guardrails.latency.limit_ms if policy.guardrails.latency else None
        sides = {self.champion.version: CHAMPION, self.challenger.version: CHALLENGER}
        tallies = [{side: Tally(limit, self.edges) for side in sides.values()} for _ in splits]
        starts = [split.since for split in splits]
        every: Iterable[Answer | RequestLoss] = (*logged, *self.probed, *losses)
        for each in every:
            at = bisect_right(starts, each.at) - 1
            if at >= 0 and each.version in sides:
                tallies[at][sides[each.version]].add(each)
        ends = [*starts[1:], now]
        return tuple(
            Step(
                percent=split.percent,
                minutes=max((end - split.since).total_seconds() / 60, 0.0),
                arms={side: tally.close() for side, tally in found.items()},
            )
            for split, end, found in zip(splits, ends, tallies, strict=True)
        )


@dataclass
class Tally:
    """Counter of one version's responses at one step."""

    limit_ms: float | None
    edges: Sequence[float]
    requests: int = 0
    errors: int = 0
    timed: int = 0
    slow: int = 0
    invalid: int = 0
    scores: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def add(self, each: Answer | RequestLoss) -> None:
        """Count a response, or the loss of one."""
        if isinstance(each, RequestLoss):
            self.losses.append(each.loss)
            return
        self.requests += 1
        self.errors += each.failed
        if each.took_ms is not None:
            self.timed += 1
            self.slow += self.limit_ms is not None and each.took_ms > self.limit_ms
        if not each.failed:
            self.invalid += each.score is None
            self.scores += [] if each.score is None else [each.score]

    def close(self) -> Arm:
        """Return the counts."""
        bins = np.bincount(np.searchsorted(self.edges, self.scores), minlength=len(self.edges) + 1)
        return Arm(
            requests=self.requests,
            errors=self.errors,
            timed=self.timed,
            slow=self.slow,
            invalid=self.invalid,
            scores=tuple(bins.tolist()),
            labels=len(self.losses),
            loss=float(np.sum(self.losses)),
            squared_loss=float(np.square(self.losses).sum()),
        )


def find_edges(predictions: pd.Series) -> tuple[float, ...]:
    """Return the distinct inner edges of bins with equal numbers of predictions."""
    shares = np.arange(1, BINS) / BINS
    edges = np.unique(np.quantile(predictions.dropna().to_numpy(float), shares))
    return tuple(edges.tolist())
