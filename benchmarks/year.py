"""Plot the results of `make year` for docs/monitoring.md.

make year && uv run python -m benchmarks.year
"""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd

from benchmarks.gate_plots import DOCS, INK, LINES, begin, save

ROOT = DOCS.parent
SIGNAL = "quality"
HEALTH = """
SELECT assessed_at, model_version, verdict, figures
FROM dev.dev_laptop_flight_delays.model_health ORDER BY assessed_at
"""
COLOURS = {"Healthy": LINES[2], "Watch": LINES[1], "Retrain": LINES[3], "Blind": INK, "Stale": INK}


def read(home: Path) -> pd.DataFrame:
    """Return each assessment with its calibration error."""
    command = [sys.executable, "-m", "laptop", "sql", HEALTH, "-o", "json"]
    environment = {"LAPTOP_HOME": str(home), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    rows = pd.DataFrame(json.loads(done.stdout))
    for at, written in rows["figures"].items():
        for figure in json.loads(written):
            if figure["kind"] == SIGNAL and figure["statistic"] == "calibration_error":
                rows.loc[at, ["error", "limit"]] = figure["value"], figure["threshold"]
    return rows.assign(at=pd.to_datetime(rows["assessed_at"]))


def draw(rows: pd.DataFrame) -> None:
    """Plot the calibration error of the model in use by month, and the decisions."""
    figure, axes = begin()
    axes.axhline(rows["limit"].iloc[0], color=INK, linestyle="--", linewidth=0.8)
    axes.plot(rows["at"], rows["error"], color=INK, linewidth=0.8, zorder=1)
    for verdict, own in rows.groupby("verdict"):
        colour = COLOURS[str(verdict)]
        axes.scatter(own["at"], own["error"], color=colour, label=verdict, zorder=2)
    for _, row in rows.iterrows():
        axes.annotate(
            f"v{row['model_version']}",
            (row["at"], row["error"]),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            color=INK,
        )
    axes.set_xticks(rows["at"], [f"1 {at:%b}" for at in rows["at"]])
    axes.set_ylabel("calibration error of the\nmonth before")
    axes.set_ylim(bottom=0)
    save(figure, axes, "monitoring-year")


if __name__ == "__main__":
    draw(read(ROOT / ".laptop" / "year"))
