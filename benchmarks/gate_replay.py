"""Replay each rule of the gate on a year of Mondays.

Each Monday, a model is trained on the rows before its holdout and compared with the Champion on
the holdout by the product's comparison. The resulting Champion scores the following week; a rule
is measured by the mean log loss of these weeks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks.gate_models import (
    DECIDED,
    LABEL,
    LEAK,
    MATURITY,
    MONDAYS,
    SEEDS,
    Floats,
    Predictions,
    cut,
)
from flight_delays.config.policy import ComparisonPolicy, load_policy
from flight_delays.evaluation.comparison import Comparison, compare, local_days
from flight_delays.problem import PROBLEM
from flight_delays.promotion.model_version import ModelVersion
from flight_delays.promotion.rules import MeanLosses, find_excess

POLICY: ComparisonPolicy = load_policy("policy", PROBLEM.model_type).comparison
WEEK = pd.Timedelta(days=7)
# The heuristic baseline as a model: without training data.
HEURISTIC = (pd.Timestamp(0), "heuristic")
# Period after the training of a pair of models whose days are used in the simulations.
REACH = pd.Timedelta(days=91)

# Required lower bound of the gain.
RULES: Mapping[str, float] = {
    "never": np.inf,
    "always the newest": -np.inf,
    "superiority": POLICY.min_gain,
    **{f"non-inferiority, margin {each}": -each for each in (0.001, 0.002, 0.003, 0.005)},
}
CHOSEN = f"non-inferiority, margin {POLICY.margin}"


@dataclass(frozen=True, kw_only=True)
class Year:
    """Results of a rule over a year.

    Attributes:
        rule: Name of the rule.
        days: Days of the holdout.
        loss: Mean log loss of the following weeks, over all rows.
        weeks: Sum of losses and number of rows of each week.
        promotions: Number of promoted challengers.
        longest: Longest time without a promotion, in weeks.
        low: Largest lower bound of a challenger's gain.
        excess: Largest excess, as computed by the gate.
        apart: Largest difference to the Champion's loss at its validation.
    """

    rule: str
    days: int
    loss: float
    weeks: pd.DataFrame
    promotions: int
    longest: int
    low: float
    excess: float
    apart: float


@dataclass(frozen=True, kw_only=True)
class Leaked:
    """A leaking challenger compared with last week's Champion, which has no leak.

    Attributes:
        days: Days of the holdout.
        monday: Monday of the challenger.
        auc: Area under the curve on the holdout.
        low: Lower bound of the gain.
        excess: Excess.
    """

    days: int
    monday: pd.Timestamp
    auc: float
    low: float
    excess: float


class Replay:
    """The rows of a year, and each model's losses.

    Attributes:
        rows: Labelled rows, sorted by the time of decision.
        predictions: Predictions of each model.
    """

    def __init__(self, rows: pd.DataFrame, predictions: Predictions) -> None:
        self.rows = rows
        self.labels = rows[LABEL].to_numpy()
        self.decided = rows[DECIDED]
        self.days = local_days(self.decided, PROBLEM.time_zone)
        by = PROBLEM.model_type.require_loss(POLICY.loss)
        self.losses: Mapping[tuple[pd.Timestamp, str], Floats] = {
            key: by.of(self.labels, each) for key, each in predictions.items()
        }
        self.heuristic = by.of(self.labels, PROBLEM.heuristic_baseline(rows))
        self.predictions: Predictions = {
            **predictions, HEURISTIC: PROBLEM.heuristic_baseline(rows),
        }  # fmt: skip

    def find(self, start: pd.Timestamp, end: pd.Timestamp) -> slice:
        """Return the slice of the rows decided within an interval."""
        first, last = self.decided.searchsorted([start, end])
        return slice(int(first), int(last))

    def holdout(self, monday: pd.Timestamp, days: int) -> slice:
        """Return the slice of the holdout of a Monday's model."""
        end = monday - MATURITY
        return self.find(end - pd.Timedelta(days=days), end)

    def compare(
        self, challenger: tuple[pd.Timestamp, str], champion: tuple[pd.Timestamp, str], at: slice
    ) -> Comparison:
        """Compare two models on a slice of rows as the gate does."""
        return compare(
            self.labels[at],
            self.predictions[challenger][at],
            self.predictions[champion][at],
            model_type=PROBLEM.model_type,
            loss=POLICY.loss,
            blocks=self.days[at],
            min_blocks=POLICY.min_blocks,
            confidence=POLICY.confidence,
        )

    def meet_heuristic(self, monday: pd.Timestamp, days: int) -> Comparison:
        """Compare a Monday's model with the heuristic baseline, as for a first Champion."""
        at = self.holdout(monday, days)
        return self.compare((cut(monday, days), str(SEEDS[0])), HEURISTIC, at)

    def measure(self, model: tuple[pd.Timestamp, str], at: slice) -> MeanLosses:
        """Return the mean losses of a model and of the heuristic baseline on a slice of rows."""
        losses, heuristic = self.losses[model][at].mean(), self.heuristic[at].mean()
        return MeanLosses(loss=POLICY.loss, model=float(losses), heuristic=float(heuristic))

    def run_year(self, name: str, days: int, seed: int) -> Year:
        """Apply a rule to each Monday of the year."""
        standing, promoted = MONDAYS[0], [MONDAYS[0]]
        weeks, lows, excesses, apart = [], [0.0], [0.0], [0.0]
        for monday in MONDAYS[1:]:
            ours, theirs = (cut(monday, days), str(seed)), (cut(standing, days), str(seed))
            at, then = self.holdout(monday, days), self.holdout(standing, days)
            found = self.compare(ours, theirs, at)
            before, now = self.measure(theirs, then), self.measure(ours, at)
            lows.append(found.low)
            excesses.append(find_excess(found, make_version(before), now))
            apart.append(before.model - now.model)
            if found.low > RULES[name]:
                standing = monday
                promoted.append(monday)
            following = self.find(monday, monday + WEEK)
            losses = self.losses[cut(standing, days), str(seed)][following]
            weeks.append((monday, losses.sum(), losses.size))
        table = pd.DataFrame(weeks, columns=["monday", "loss", "rows"]).set_index("monday")
        ends = [*promoted, MONDAYS[-1] + WEEK]
        return Year(
            rule=name,
            days=days,
            loss=float(table["loss"].sum() / table["rows"].sum()),
            weeks=table,
            promotions=len(promoted) - 1,
            longest=max((b - a) // WEEK for a, b in pairwise(ends)),
            low=max(lows),
            excess=max(excesses),
            apart=max(apart),
        )

    def find_excesses(self, days: int, weeks: int) -> tuple[list[float], list[float]]:
        """Return lower bound and excess of each Monday's model over an earlier one."""
        lows, excesses = [], []
        for monday in MONDAYS[weeks:]:
            earlier = monday - weeks * WEEK
            at, then = self.holdout(monday, days), self.holdout(earlier, days)
            for seed in map(str, SEEDS):
                ours, theirs = (cut(monday, days), seed), (cut(earlier, days), seed)
                found = self.compare(ours, theirs, at)
                before = make_version(self.measure(theirs, then))
                lows.append(found.low)
                excesses.append(find_excess(found, before, self.measure(ours, at)))
        return lows, excesses

    def meet_leaks(self, days: int) -> Iterator[Leaked]:
        """Compare each leaking model with the previous week's model without a leak."""
        for monday in MONDAYS[1:]:
            ours = (cut(monday, days), LEAK)
            if ours not in self.predictions:
                continue
            earlier = monday - WEEK
            theirs = (cut(earlier, days), str(SEEDS[0]))
            at, then = self.holdout(monday, days), self.holdout(earlier, days)
            found = self.compare(ours, theirs, at)
            before = make_version(self.measure(theirs, then))
            yield Leaked(
                days=days,
                monday=monday,
                auc=float(roc_auc_score(self.labels[at], self.predictions[ours][at])),
                low=found.low,
                excess=find_excess(found, before, self.measure(ours, at)),
            )

    def count_equal(self, days: int) -> tuple[int, int]:
        """Return the numbers of promotions by superiority and of comparisons of equal models.

        Each Monday, the models of the two seeds are compared in both roles.
        """
        first, second = map(str, SEEDS)
        ups = 0
        for monday in MONDAYS:
            at, model = self.holdout(monday, days), cut(monday, days)
            for ours, theirs in ((first, second), (second, first)):
                found = self.compare((model, ours), (model, theirs), at)
                ups += found.low > RULES["superiority"]
        return ups, 2 * len(MONDAYS)

    def sum_days(
        self, ours: tuple[pd.Timestamp, str], theirs: tuple[pd.Timestamp, str]
    ) -> pd.DataFrame:
        """Return each day's sum of gains and number of rows in the three months after a model."""
        at = self.find(ours[0], ours[0] + REACH)
        gains = self.losses[theirs][at] - self.losses[ours][at]
        by_day = pd.DataFrame({"day": self.days[at], "gain": gains}).groupby("day")["gain"]
        return by_day.agg(["sum", "size"]).iloc[1:-1]


def make_version(losses: MeanLosses) -> ModelVersion:
    """Return a validated version with these losses."""
    return ModelVersion(model="a.b.c", version=1, aliases=frozenset(), tags=losses.tags)
