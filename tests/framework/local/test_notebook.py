"""The notebook, run as it stands: it writes nothing down, and what it draws is what SQL says."""

import json
from dataclasses import dataclass
from typing import Any

import nbclient
import nbformat
import pytest

from flight_delays.config.policy import load_policy
from flight_delays.problem import PROBLEM
from flight_delays.spec.windows import split_windows
from flight_delays.tasks.parameters import read_instant

from tests.conftest import SCHEMA, Laptop
from tests.declared import ROOT
from tests.problem.instants import FIRST

NOTEBOOK = ROOT / "notebooks" / "exploration.ipynb"
POLICY = load_policy("policy_small", PROBLEM.model_type)
WINDOWS = split_windows(read_instant(FIRST), POLICY.windows, PROBLEM.label_maturity)
LABEL, SPINE = PROBLEM.label, PROBLEM.spine
SETTINGS = {'POLICY = "policy"': 'POLICY = "policy_small"', "AS_OF = None": f'AS_OF = "{FIRST}"'}

# Reads from the figures what was drawn.
LOOK = """
import json

def points(axes):
    places = [text.get_text() for text in axes.get_yticklabels()]
    return {
        container.get_label(): dict(zip(places, container.lines[0].get_xdata(), strict=True))
        for container in axes.containers
    }

def bars(axes):
    places = [text.get_text() for text in axes.get_yticklabels()]
    return {
        container.get_label(): dict(zip(places, map(float, container.datavalues), strict=True))
        for container in axes.containers
    }

means, sizes = over_time.axes[0].lines[0].get_ydata(), by_time["size"]
print(json.dumps({
    "rows": int(sizes.sum()),
    "mean": float((means * sizes).sum() / sizes.sum()),
    "slices": {axes.get_title(loc="left"): points(axes) for axes in by_slice.axes},
    "missing": bars(missing.axes[0]),
}))
"""
# Labels known by then, with the rows they are of.
ROWS = (
    f"(SELECT {', '.join(PROBLEM.keys)}, {LABEL.column}, {LABEL.known_at} AS told_at "
    f"FROM {SCHEMA}.{LABEL.source} WHERE {LABEL.where}) l "
    f"JOIN {SCHEMA}.{SPINE.source} s USING ({', '.join(PROBLEM.keys)})"
)
WINDOW = f"IF({SPINE.decision_at} < '{WINDOWS.training.end.isoformat()}', 'training', 'holdout')"
TRAINING_END, START, END = (
    each.isoformat() for each in (WINDOWS.training.end, WINDOWS.holdout.start, WINDOWS.holdout.end)
)
KNOWN = (
    f"({SPINE.decision_at} < '{TRAINING_END}' AND told_at < '{START}' OR "
    f"{SPINE.decision_at} >= '{START}' AND {SPINE.decision_at} < '{END}' AND told_at < '{FIRST}')"
)


@dataclass(frozen=True)
class Drawn:
    """A notebook that was run, and what its figures show."""

    notebook: Any
    shown: dict[str, Any]


@pytest.fixture(scope="module")
def drawn(trained: Laptop, tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        for setting, instead in SETTINGS.items():
            cell.source = cell.source.replace(setting, instead)
    notebook.cells.append(nbformat.v4.new_code_cell(LOOK))
    folder = tmp_path_factory.mktemp("notebook")
    environment = {
        **trained.environment(), "IPYTHONDIR": str(folder), "MPLCONFIGDIR": str(folder),
    }  # fmt: skip
    client = nbclient.NotebookClient(
        notebook, timeout=300, startup_timeout=300, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=environment)
    return Drawn(notebook, json.loads(notebook.cells[-1].outputs[0].text))


def test_every_plot_of_the_notebook_is_drawn_and_nothing_is_warned_of(drawn: Drawn) -> None:
    outputs = [output for cell in drawn.notebook.cells for output in cell.get("outputs", [])]
    assert [one.text for one in outputs if one.get("name") == "stderr"] == []
    plots = [one for one in outputs if "image/png" in one.get("data", {})]
    asked = [cell for cell in drawn.notebook.cells if "plt.show()" in cell.source]
    assert len(plots) == len(asked) == 8


def test_the_notebook_reads_the_rows_that_train_does(drawn: Drawn, trained: Laptop) -> None:
    (found,) = trained.sql(
        f"SELECT count(*) AS rows, avg({LABEL.column}) AS mean FROM {ROWS} WHERE {KNOWN}"
    )
    assert drawn.shown["rows"] == int(found["rows"]) > 0
    assert drawn.shown["mean"] == pytest.approx(float(found["mean"]))


def test_the_mean_label_of_each_slice_is_what_sql_says(drawn: Drawn, trained: Laptop) -> None:
    columns = [each for each in POLICY.validation.slice_columns if each in SPINE.features]
    assert drawn.shown["slices"].keys() == set(POLICY.validation.slice_columns)
    for column in columns:
        found = trained.sql(
            f"SELECT {column} AS value, {WINDOW} AS window, avg({LABEL.column}) AS mean "
            f"FROM {ROWS} WHERE {KNOWN} GROUP BY 1, 2"
        )
        means = {(row["window"], row["value"]): float(row["mean"]) for row in found}
        shown = {
            (window, value): mean
            for window, points in drawn.shown["slices"][column].items()
            for value, mean in points.items()
        }
        assert len(shown) >= 4
        assert shown == pytest.approx({place: means[place] for place in shown})


def test_the_share_without_a_value_is_what_sql_says(drawn: Drawn, trained: Laptop) -> None:
    # Without a time key a look-up is a plain join, which needs no second account of time.
    for table in (each for each in PROBLEM.feature_tables if each.timeseries_column is None):
        gaps = ", ".join(f"avg(IF({f} IS NULL, 1.0D, 0.0D)) AS {f}" for f in table.features)
        found = trained.sql(
            f"SELECT {WINDOW} AS window, {gaps} FROM {ROWS} "
            f"LEFT JOIN {SCHEMA}.{table.name} USING ({', '.join(table.lookup_key)}) "
            f"WHERE {KNOWN} GROUP BY 1"
        )
        assert len(found) == 2
        for row in found:
            shown = drawn.shown["missing"][row["window"]]
            for feature in table.features:
                assert shown.get(feature, 0) == pytest.approx(float(row[feature])), feature
