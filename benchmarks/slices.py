"""Verdicts of the policy's slices on sound models of eleven months, and on planted bad ones.

Needs no account. The product's tasks compute the year's tables in a temporary workspace. For each
month from February on, the model trained on the earlier rows is compared with the Champion of a
month earlier (in February that of 15 January), and judged as a first Champion. The script fails if
a sound model is rejected, or a planted one accepted in its month.

    python -m benchmarks.slices                  print the tables
    python -m benchmarks.slices --write          write them into benchmarks/results/, too
    python -m benchmarks.slices --rows FOLDER    use rows written by `benchmarks.refreshes`
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from laptop import connection
from laptop.state_dir import StateDir
from numpy.typing import ArrayLike

from benchmarks.freshness import DECIDED, INPUTS, JUDGED, LABEL, collect
from flight_delays.config.loading import load_configuration
from flight_delays.config.policy import Policy, Slices, load_policy
from flight_delays.evaluation.comparison import local_days
from flight_delays.evaluation.observations import FloatArray
from flight_delays.evaluation.slices import compare_by_slice
from flight_delays.problem import PROBLEM
from flight_delays.promotion.slices import check_first_gaps, find_worse_slices, size_of

RESULTS = Path(__file__).parent / "results" / "slices.md"
MONTHS = tuple(pd.Timestamp(2013, month, 1) for month in range(2, 13))
FIRST_CHAMPION = pd.Timestamp(2013, 1, 15)
# The columns of the policy and more, with ten times as many slices.
WIDER = ["carrier", "origin", "dest", "tailnum"]
SMALL = ["AS", "F9", "FL", "HA", "OO", "VX", "YV"]

Plant = Callable[[pd.DataFrame, FloatArray], FloatArray]


def invert(rows: pd.DataFrame, predictions: FloatArray) -> FloatArray:
    """Invert the probabilities of seven small carriers."""
    return np.where(rows["carrier"].isin(SMALL), 1 - predictions, predictions)


def invert_smallest(rows: pd.DataFrame, predictions: FloatArray) -> FloatArray:
    """Invert the probabilities of five carriers with fewer than a hundred flights a month each."""
    smallest = rows["carrier"].isin(set(SMALL) - {"FL", "VX"})
    return np.where(smallest, 1 - predictions, predictions)


def multiply(column: str, value: str, factor: float) -> Plant:
    """Return a function that multiplies the probabilities of a slice."""

    def plant(rows: pd.DataFrame, predictions: FloatArray) -> FloatArray:
        more = np.minimum(factor * predictions, 1.0)
        return np.where(rows[column] == value, more, predictions)

    return plant


PLANTS: Mapping[str, Plant] = {
    "seven small carriers inverted": invert,
    "five carriers below 100 rows inverted": invert_smallest,
    "carrier WN tripled": multiply("carrier", "WN", 3),
    "carrier UA tripled": multiply("carrier", "UA", 3),
    "airport EWR doubled": multiply("origin", "EWR", 2),
    "airport LGA doubled": multiply("origin", "LGA", 2),
}


@dataclass(frozen=True, eq=False)
class Month:
    """The rows of a month with predictions of its model and of the previous one.

    Attributes:
        name: Name of the month.
        rows: Rows of the month.
        ours: Predictions of the month's model.
        theirs: Predictions of the model of a month earlier.
    """

    name: str
    rows: pd.DataFrame
    ours: FloatArray
    theirs: FloatArray

    def refuse(self, predictions: FloatArray, policy: Policy, slices: Slices) -> list[str]:
        """Return the findings of a comparison with the Champion."""
        found = compare_by_slice(
            self.rows[LABEL],
            predictions,
            self.theirs,
            self.columns(slices),
            self.days,
            model_type=PROBLEM.model_type,
            loss=policy.comparison.loss,
            size=size_of(slices),
            margin=slices.margin,
            confidence=policy.comparison.confidence,
        )
        worse = find_worse_slices(found, slices, policy.comparison.confidence)
        return [check.name for check in worse]

    def refuse_first(self, predictions: FloatArray, policy: Policy, slices: Slices) -> list[str]:
        """Return the findings for a first Champion."""
        checks = check_first_gaps(
            self.rows[LABEL].to_numpy(),
            predictions,
            self.columns(slices),
            self.days,
            slices,
            policy.comparison.confidence,
        )
        return [check.name for check in checks if not check.ok and check.name != "slice_gaps"]

    def columns(self, slices: Slices) -> Mapping[str, pd.Series]:
        """Return the columns of the slices."""
        return {column: self.rows[column] for column in slices.columns}

    @property
    def days(self) -> ArrayLike:
        """The local day of each row."""
        return local_days(self.rows[DECIDED], PROBLEM.time_zone)


def main() -> int:
    """Measure, print the tables, and return 1 if a model was judged wrongly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}, too")
    parser.add_argument("--rows", type=Path, help="a folder with judged.parquet")
    given = parser.parse_args()
    policy = load_policy("policy", PROBLEM.model_type)
    slices = policy.validation.slices
    if slices is None:
        raise SystemExit("conf/policy.yml has no slices: nothing is measured.")
    with open_rows(given.rows) as folder:
        months = fit_months(pd.read_parquet(folder / f"{JUDGED}.parquet"))
    text, wrong = judge(months, policy, slices)
    print(text)
    if given.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")
    for each in wrong:
        print(each, file=sys.stderr)
    return 1 if wrong else 0


@contextmanager
def open_rows(given: Path | None) -> Iterator[Path]:
    """Yield the folder with the year's rows, computed if no folder is given."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        home = StateDir(Path(folder) / "home")
        collect(home, Path(folder))
        connection.stop(home)
        yield Path(folder)


def fit_months(judged: pd.DataFrame) -> list[Month]:
    """Fit the model of each month, and score the month with it and the previous one."""
    hyperparameters = load_configuration("model", PROBLEM.hyperparameters)
    months, before = [], None
    for start in (FIRST_CHAMPION, *MONTHS):
        known = judged[DECIDED] < start
        model = PROBLEM.build_estimator(hyperparameters)
        model.fit(judged.loc[known, INPUTS], judged.loc[known, LABEL])
        if before is not None:
            rows = judged[~known & (judged[DECIDED] < start + pd.DateOffset(months=1))]
            ours, theirs = (np.asarray(each.predict(rows[INPUTS])) for each in (model, before))
            months.append(Month(f"{start:%b}", rows, ours, theirs))
        before = model
    return months


def judge(months: list[Month], policy: Policy, slices: Slices) -> tuple[str, list[str]]:
    """Return the tables as Markdown, and the wrong verdicts."""
    wider = slices.model_copy(update={"columns": WIDER})
    lines = [
        "# What slices refuse",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d} by `python -m benchmarks.slices --write` on all "
        "flights of 2013, by `conf/policy.yml`. Each number counts the findings: slices that are "
        "significantly worse than the Champion's, and gaps of mean prediction to mean label.",
        "",
        f"| model | against | {' | '.join(month.name for month in months)} |",
        f"|---|---|{'--:|' * len(months)}",
    ]
    wrong = []

    def add(name: str, against: str, found: list[list[str]]) -> None:
        lines.append(f"| {name} | {against} | {' | '.join(str(len(f)) for f in found)} |")

    for asked in (slices, wider):
        by = f"honest, by {', '.join(asked.columns)}"
        met = [month.refuse(month.ours, policy, asked) for month in months]
        first = [month.refuse_first(month.ours, policy, asked) for month in months]
        add(by, "a month before", met)
        add(by, "first", first)
        if asked is slices:
            wrong += [
                f"{month.name}: the honest model is refused: {', '.join(each)}"
                for found in (met, first)
                for month, each in zip(months, found, strict=True)
                if each
            ]
    for name, plant in PLANTS.items():
        planted = [(month, plant(month.rows, month.ours)) for month in months]
        met = [month.refuse(bad, policy, slices) for month, bad in planted]
        add(name, "a month before", met)
        add(name, "first", [month.refuse_first(bad, policy, slices) for month, bad in planted])
        # In April all models predict too low, so multiplied probabilities are not worse.
        wrong += [
            f"{month.name}: {name} is not refused"
            for (month, _), each in zip(planted, met, strict=True)
            if not each and month.name != "Apr"
        ]
    return "\n".join(lines) + "\n", wrong


if __name__ == "__main__":
    sys.exit(main())
