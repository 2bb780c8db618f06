"""Log loss of each month by the age of the looked-up features.

Needs no account. The product's tasks compute the year's tables in a temporary workspace. For each
month, a model is trained on the earlier rows, with the look-ups of training. The row `served`
simulates an online store: `feature_refresh` publishes as of each full hour, inclusive; the tables
are available after a delay, and the store returns the latest row of a key, regardless of its age.
The script fails if the losses of served and judged differ by more than 0.01 in a month.

    python -m benchmarks.freshness            print the tables
    python -m benchmarks.freshness --write    write them into benchmarks/results/, too
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from laptop import connection
from laptop.state_dir import StateDir

from benchmarks.refreshes import Refreshed, count_syncs, read_refreshed
from flight_delays.config.loading import load_configuration
from flight_delays.problem import PROBLEM
from flight_delays.spec.problem import FEATURES_AT
from flight_delays.spec.tables import FeatureTable

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results" / "freshness.md"
BAR = 0.01
MONTHS = tuple(pd.Timestamp(2013, month, 1) for month in (6, 7, 10, 11, 12))
DECIDED, LABEL, INPUTS = (
    PROBLEM.spine.decision_at,
    PROBLEM.label.column,
    list(PROBLEM.feature_columns),
)
TIMED = tuple(table for table in PROBLEM.feature_tables if table.timeseries_column)
EVERY, DELAY = (pd.Timedelta(each) for each in (PROBLEM.refresh.every, PROBLEM.refresh.delay))
HOUR = pd.Timedelta(hours=1)

JUDGED, SERVED, FRESH = "judged", "served", "fresh"
AGED, YOUNG = "judged, trained with judged features", "judged, trained with fresh features"
Figures = Mapping[str, Mapping[pd.Timestamp, float]]


def main() -> int:
    """Measure, print the tables, and return 1 if served and judged losses differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = StateDir(Path(folder) / "home")
        collect(home, Path(folder))
        connection.stop(home)
        figures = measure(Path(folder))
        text = write(figures, read_refreshed(Path(folder)))
    print(text)
    if given.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")
    missed = [
        f"{month:%b}: served {figures[SERVED][month]:.4f}, judged {figures[JUDGED][month]:.4f}"
        for month in MONTHS
        if abs(figures[SERVED][month] - figures[JUDGED][month]) > BAR
    ]
    for each in missed:
        print(f"More than {BAR} apart: {each}", file=sys.stderr)
    return 1 if missed else 0


def collect(home: StateDir, folder: Path) -> None:
    """Run a task in a temporary workspace that computes the tables and writes measurements."""
    collector = [sys.executable, "-m", "benchmarks.refreshes", str(folder)]
    subprocess.run(
        [sys.executable, "-m", "laptop", "exec", "--", *collector],
        cwd=ROOT,
        env={**os.environ, "LAPTOP_HOME": str(home.path)},
        check=True,
    )


def measure(folder: Path) -> Figures:
    """Return the log loss of each kind of look-up, by month."""
    judged, fresh = (pd.read_parquet(folder / f"{name}.parquet") for name in (JUDGED, FRESH))
    tables = {each.name: pd.read_parquet(folder / f"{each.name}.parquet") for each in TIMED}
    check_look_ups(judged, tables)
    hyperparameters = load_configuration("model", PROBLEM.hyperparameters)
    loss = PROBLEM.model_type.losses["log_loss"].of
    figures: dict[str, dict[pd.Timestamp, float]] = {}
    for month in MONTHS:
        before = judged[DECIDED] < month
        within = ~before & (judged[DECIDED] < month + pd.DateOffset(months=1))
        rows, labels = judged[within], judged.loc[within, LABEL].to_numpy()
        looked_up = {JUDGED: rows, FRESH: fresh[within]} | {
            name: find_online(rows, tables, published(rows[DECIDED]))
            for name, published in PUBLISHED.items()
        }
        model = PROBLEM.build_estimator(hyperparameters)
        model.fit(judged.loc[before, INPUTS], judged.loc[before, LABEL])
        young = PROBLEM.build_estimator(hyperparameters)
        young.fit(fresh.loc[before, INPUTS], fresh.loc[before, LABEL])
        predicted = {name: model.predict(found[INPUTS]) for name, found in looked_up.items()}
        predicted["constant at the month's base rate"] = np.full(len(rows), labels.mean())
        predicted[AGED] = predicted[JUDGED]
        predicted[YOUNG] = young.predict(rows[INPUTS])
        for name, predictions in predicted.items():
            mean = float(loss(*PROBLEM.model_type.read(labels, predictions)).mean())
            figures.setdefault(name, {})[month] = mean
    return figures


def publish_every(every: pd.Timedelta, first: pd.Timedelta) -> Callable[[pd.Series], pd.Series]:
    """Return a function from decision times to the time of the features found online.

    Args:
        every: Interval between publications.
        first: Time of day of the first publication.
    """
    midnight = pd.Timestamp(2012, 12, 31) + first

    def find(decided: pd.Series) -> pd.Series:
        return midnight + (decided - DELAY - midnight) // every * every

    return find


PUBLISHED = {
    SERVED: publish_every(EVERY, 0 * HOUR),
    "published every 6 hours": publish_every(6 * HOUR, 5 * HOUR),
    "published once a day, at 05:00": publish_every(24 * HOUR, 5 * HOUR),
}


def find_online(
    rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], published: pd.Series
) -> pd.DataFrame:
    """Return rows with each key's latest features as of a publication, regardless of age."""
    found = rows.copy()
    for table in TIMED:
        found[list(table.features)] = look_up(rows, table, tables[table.name], published)
    return found


def look_up(
    rows: pd.DataFrame,
    table: FeatureTable,
    features: pd.DataFrame,
    at: pd.Series,
    lookback: pd.Timedelta | None = None,
) -> pd.DataFrame:
    """Return the features of each key's latest row at the given times."""
    keys, known = list(table.lookup_key), str(table.timeseries_column)
    left = rows[keys].assign(_at=at, _row=rows.index).sort_values("_at")
    right = features.assign(_at=features[known]).sort_values("_at")
    found = pd.merge_asof(left, right, on="_at", by=keys, tolerance=lookback)
    return found.set_index("_row").reindex(rows.index)[list(table.features)]


def check_look_ups(judged: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> None:
    """Check that the look-ups of this script equal those of the product.

    Raises:
        RuntimeError: A feature differs in a row.
    """
    rows = judged.sample(20_000, random_state=1)
    for table in TIMED:
        lookback = None if table.lookback is None else pd.Timedelta(table.lookback)
        found = look_up(rows, table, tables[table.name], rows[FEATURES_AT], lookback)
        if not np.allclose(found, rows[list(table.features)], equal_nan=True):
            raise RuntimeError(f"Look-ups in {table.name} are not what the training set has.")


def write(figures: Figures, refreshed: list[Refreshed]) -> str:
    """Return the tables as Markdown."""
    months = [f"{month:%b}" for month in MONTHS]
    names = {name: describe(name) for name in figures}
    lines = [
        "# What fresh features are worth",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d} by `python -m benchmarks.freshness --write` on "
        "all flights of 2013. Log loss of the model that was trained on what came before each "
        "month; lower is better.",
        "",
        f"| features as of | {' | '.join(months)} |",
        f"|---|{'---|' * len(months)}",
    ]
    lines += [
        f"| {names[name]} | {' | '.join(f'{found[month]:.3f}' for month in MONTHS)} |"
        for name, found in figures.items()
    ]
    lines += [
        "",
        "Runs of feature_refresh: the first, an hourly one, and one of two months at once:",
        "",
        "| as of | task | rows read or computed | rows added | Spark actions | seconds |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {each.as_of} | {each.task} | {each.rows:,} | {each.added:,} | "
        f"{each.actions} | {each.seconds:.1f} |"
        for each in refreshed
    ]
    syncs = count_syncs()
    listed = ", ".join(f"{name} {count}" for name, count in syncs.items())
    lines += [
        "",
        "Seconds are those of a laptop workspace on two cores that other work shared; counts hold "
        "anywhere. Syncs to the online store a day: "
        f"{listed}; {sum(syncs.values())} in all.",
    ]
    return "\n".join(lines) + "\n"


def describe(name: str) -> str:
    """Return the description of a kind of look-up."""
    words = {
        JUDGED: "judged: what a request finds, by `Refresh`",
        SERVED: f"**served**: published every {EVERY // HOUR} h, online "
        f"{DELAY // pd.Timedelta(minutes=1)} min later",
        FRESH: "the decision itself",
    }
    return words.get(name, name)


if __name__ == "__main__":
    sys.exit(main())
