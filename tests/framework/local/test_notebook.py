"""Run the notebooks unchanged with the kernel that `make kernel` registers."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from flight_delays.config.policy import load_policy
from flight_delays.problem import PROBLEM
from flight_delays.spec.windows import split_windows
from flight_delays.tasks.parameters import read_instant

from tests.conftest import MODEL, SCHEMA, Laptop
from tests.declared import ROOT
from tests.problem.instants import FIRST

NOTEBOOKS = ROOT / "notebooks"
KERNEL = "flight_delays"
POLICY = load_policy("policy_small", PROBLEM.model_type)
WINDOWS = split_windows(read_instant(FIRST), POLICY.windows, PROBLEM.label_maturity)
LABEL, SPINE = PROBLEM.label, PROBLEM.spine
SETTINGS = {'POLICY = "policy"': 'POLICY = "policy_small"', "AS_OF = None": f'AS_OF = "{FIRST}"'}

# Reads the plotted values from the figures.
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
    "slices": {one.get_title(loc="left"): points(one) for one in by_slice.axes if one.containers},
    "missing": bars(missing.axes[0]),
}))
"""
# The candidate's change: every model here has `random_state`.
CHANGES = {"random_state": 7}
FOUND = """
import json
from dataclasses import asdict
print(json.dumps({
    "model_uri": model_uri, "gain": asdict(gain), "losses": {c.name: c.loss for c in ranked},
}))
"""
# The notebook's model, registered with the tags that train sets, and validated.
REGISTER = f"""
import json
import mlflow
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.registry import read_version, tag_version
from flight_delays.problem import PROBLEM
from flight_delays.tasks import validate

lakehouse, version = Lakehouse(), read_version(mlflow.MlflowClient(), {MODEL!r}, 1)
number = int(mlflow.register_model(URI, "{MODEL}_noted").version)
noted = read_version(lakehouse.registry, "{MODEL}_noted", number)
tag_version(lakehouse.registry, noted, **version.tags)
lakehouse.registry.update_model_version(noted.model, str(number), version.description)
experiment = mlflow.get_experiment(mlflow.get_run(version.run_id).info.experiment_id).name
try:
    validate.run(
        validate.ValidateParameters(
            model_uri=noted.uri, source={SCHEMA!r}, target={SCHEMA!r},
            experiment=experiment, policy="policy_small", job_run="noted",
        ),
        lakehouse,
    )
except validate.ValidationFailedError as error:
    print(json.dumps(str(error)))
"""
# Labels known by then, with their rows.
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
    """A notebook after a run, and the values in its figures."""

    notebook: Any
    shown: dict[str, Any]


@pytest.fixture(scope="module")
def kernel() -> None:
    """Register the kernel in the current environment."""
    command = ["make", "--silent", "--old-file=setup", "kernel"]
    subprocess.run(command, cwd=ROOT, check=True)


def run_notebook(
    name: str, laptop: Laptop, folder: Path, look: str, settings: Mapping[str, str]
) -> Any:
    """Run a notebook and then a test's cell, by kernel name only, as VS Code does."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    assert notebook.metadata.kernelspec.name == KERNEL
    for cell in notebook.cells:
        for setting, instead in settings.items():
            cell.source = cell.source.replace(setting, instead)
    notebook.cells.append(nbformat.v4.new_code_cell(look))
    environment = {
        **os.environ,
        "LAPTOP_HOME": str(laptop.home.path),
        "IPYTHONDIR": str(folder),
        "MPLCONFIGDIR": str(folder),
    }
    client = nbclient.NotebookClient(
        notebook, timeout=300, startup_timeout=300, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=environment)
    return notebook


@pytest.fixture(scope="module")
def drawn(kernel: None, trained: Laptop, tmp_path_factory: pytest.TempPathFactory) -> Drawn:  # noqa: ARG001
    folder = tmp_path_factory.mktemp("notebook")
    notebook = run_notebook("exploration.ipynb", trained, folder, LOOK, SETTINGS)
    return Drawn(notebook, json.loads(notebook.cells[-1].outputs[0].text))


@dataclass(frozen=True)
class Tried:
    """A notebook that trained a candidate, and its results.

    Attributes:
        notebook: The notebook.
        model_uri: URI of the logged model.
        gain: Measured gain over the reviewed model.
        losses: Loss of each candidate.
    """

    notebook: Any
    model_uri: str
    gain: dict[str, Any]
    losses: dict[str, float]


@pytest.fixture(scope="module")
def tried(kernel: None, trained: Laptop, tmp_path_factory: pytest.TempPathFactory) -> Tried:  # noqa: ARG001
    folder = tmp_path_factory.mktemp("candidate")
    settings = {**SETTINGS, "CHANGES = {}": f"CHANGES = {CHANGES}"}
    notebook = run_notebook("candidate.ipynb", trained, folder, FOUND, settings)
    return Tried(notebook, **json.loads(notebook.cells[-1].outputs[0].text))


def find_errors(notebook: Any) -> list[str]:
    """Return the stderr output of a notebook."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [one.text for one in outputs if one.get("name") == "stderr"]


def test_every_plot_of_the_notebook_is_drawn_and_nothing_is_warned_of(drawn: Drawn) -> None:
    outputs = [output for cell in drawn.notebook.cells for output in cell.get("outputs", [])]
    assert find_errors(drawn.notebook) == []
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
    # Without a timestamp key, a look-up is a plain join, which SQL can check independently.
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


@pytest.mark.nightly
def test_the_candidate_is_compared_with_the_reviewed_model_and_the_baselines(tried: Tried) -> None:
    assert find_errors(tried.notebook) == []
    assert len(tried.losses) == 5
    gain = tried.gain
    assert gain["challenger_loss"] == tried.losses["the model"] != gain["incumbent_loss"]
    assert gain["low"] < gain["gain"] < gain["high"]
    assert gain["rows"] > 100


@pytest.mark.nightly
def test_a_version_from_the_notebook_is_refused_by_validate(tried: Tried, trained: Laptop) -> None:
    texts = " ".join(" ".join(cell.source.split()) for cell in tried.notebook.cells)
    assert "A version that is registered from here is never promoted" in texts
    code = f"URI = {tried.model_uri!r}\n{REGISTER}"
    printed = trained.execute(code).splitlines()[-1]
    trained.sql(f"DELETE FROM {SCHEMA}.validation_results WHERE job_run = 'noted'")
    reason = json.loads(printed)
    assert "origin: its run is of the experiment '/Users/laptop@localhost/flight_delays" in reason
    assert "train it by this job" in reason
