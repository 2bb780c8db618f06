"""What each rule of the gate makes of a year of Mondays, and how often it errs.

Each Monday a model is trained on what came before its holdout and meets the Champion on the
holdout, by the product's own comparison. Whoever is Champion then scores the following week; its
mean log loss is the figure of a rule.
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
from flight_delays.evaluation.comparison import Comparison, compare
from flight_delays.evaluation.days import local_days
from flight_delays.problem import PROBLEM
from flight_delays.promotion.model_version import ModelVersion
from flight_delays.promotion.rules import MeanLosses, find_excess

POLICY: ComparisonPolicy = load_policy("policy", PROBLEM.model_type).comparison
WEEK = pd.Timedelta(days=7)
# As a model: the baseline has learned nothing.
HEURISTIC = (pd.Timestamp(0), "heuristic")
# How long after a pair of models its days are taken for the simulations.
REACH = pd.Timedelta(days=91)

# What the lower bound of the gain must exceed.
RULES: Mapping[str, float] = {
    "never": np.inf,
    "always the newest": -np.inf,
    "superiority": POLICY.min_gain,
    **{f"non-inferiority, margin {each}": -each for each in (0.001, 0.002, 0.003, 0.005)},
}
CHOSEN = f"non-inferiority, margin {POLICY.margin}"


@dataclass(frozen=True, kw_only=True)
class Year:
    """What a rule has made of a year.

    Attributes:
        rule: Its name.
        days: Days of the holdout.
        loss: Mean log loss of the weeks that followed, over all rows.
        weeks: Sum of losses and number of rows of each.
        promotions: How many of the challengers were promoted.
        longest: The most weeks that a Champion stood.
        low: The largest lower bound of a challenger's gain.
        excess: The largest excess, as the gate computes it.
        apart: The largest difference to the Champion's own loss at its validation.
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
    """A challenger that leaks, against an honest Champion of the week before.

    Attributes:
        days: Days of the holdout.
        monday: Its Monday.
        auc: Its area under the curve on the holdout.
        low: The lower bound of its gain.
        excess: Its excess.
    """

    days: int
    monday: pd.Timestamp
    auc: float
    low: float
    excess: float


class Replay:
    """The rows of a year, and every model's loss of each.

    Attributes:
        rows: The labelled rows, by the time of decision.
        predictions: What each model predicts.
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
        """Return where the rows decided within an interval are."""
        first, last = self.decided.searchsorted([start, end])
        return slice(int(first), int(last))

    def holdout(self, monday: pd.Timestamp, days: int) -> slice:
        """Return where the rows are that the model of a Monday is judged on."""
        end = monday - MATURITY
        return self.find(end - pd.Timedelta(days=days), end)

    def compare(
        self, challenger: tuple[pd.Timestamp, str], champion: tuple[pd.Timestamp, str], at: slice
    ) -> Comparison:
        """Compare two models on some rows, as the gate does."""
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
        """Compare the model of a Monday with the heuristic baseline, as for a first Champion."""
        at = self.holdout(monday, days)
        return self.compare((cut(monday, days), str(SEEDS[0])), HEURISTIC, at)

    def measure(self, model: tuple[pd.Timestamp, str], at: slice) -> MeanLosses:
        """Return the mean losses of a model and of the heuristic baseline on some rows."""
        losses, heuristic = self.losses[model][at].mean(), self.heuristic[at].mean()
        return MeanLosses(loss=POLICY.loss, model=float(losses), heuristic=float(heuristic))

    def run_year(self, name: str, days: int, seed: int) -> Year:
        """Follow a rule through the year."""
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
        """Return lower bound and excess of each Monday's model over that of some weeks before."""
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
        """Let each model that leaks meet the honest one of the week before."""
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
        """Return how often an equal model is promoted by superiority, and of how many looks.

        Each Monday the two seeds meet in both roles.
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
        """Return sum of gains and number of rows of each day in the three months after a model."""
        at = self.find(ours[0], ours[0] + REACH)
        gains = self.losses[theirs][at] - self.losses[ours][at]
        by_day = pd.DataFrame({"day": self.days[at], "gain": gains}).groupby("day")["gain"]
        return by_day.agg(["sum", "size"]).iloc[1:-1]


def make_version(losses: MeanLosses) -> ModelVersion:
    """Return a version that was validated with these losses."""
    return ModelVersion(model="a.b.c", version=1, aliases=frozenset(), tags=losses.tags)
