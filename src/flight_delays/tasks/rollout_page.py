"""The page of a roll-out, kept with the run that trained the version."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from ..config.rollout import RolloutPolicy
from ..problem import PROBLEM
from ..promotion.decide import CHALLENGER, CHAMPION
from ..promotion.rollout import Evidence, Verdict
from ..reports.rollout_report import RolloutReport, write_rollout_page
from ..spec.inference_log import log_columns
from .rollout_evidence import Observer

PAGES = {"ab": "ab.html", "gradual": "rollout.html"}


def show(
    observer: Observer,
    decision: Verdict,
    evidence: Evidence,
    policy: RolloutPolicy,
    since: datetime,
    now: datetime,
    columns: Sequence[str],
) -> None:
    """Log the page of what was decided, with the effect by the values of some columns."""
    champion, challenger = observer.champion, observer.challenger
    losses = pd.DataFrame()
    slices = [name for name in columns if name in log_columns(PROBLEM)] if policy.quality else []
    if policy.quality:
        losses = observer.read_losses(policy.quality, since, slices)
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
    observer.lakehouse.registry.log_text(challenger.run_id, write_rollout_page(report), page)
    print(f"{page} of version {challenger.version} shows both arms.")
