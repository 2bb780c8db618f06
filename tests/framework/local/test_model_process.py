"""A model in a separate process: its isolation, and its error messages."""

import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow
import numpy as np
import pandas as pd
import pytest

from flight_delays.lakehouse import model_process
from flight_delays.lakehouse.model_environment import (
    find_differences,
    find_flaws,
    prepare_environment,
)
from flight_delays.lakehouse.registry import FEATURE_SPEC
from flight_delays.promotion.answers import Answers, Question

ROWS = pd.DataFrame({"x": [0.0, 1.0, 2.0], "text": ["a", None, "c"]})
BASE = ["mlflow", "cloudpickle", "numpy", "pandas", "scikit-learn"]


class Model:
    """A model that predicts with a function."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def predict(self, rows: Any) -> Any:
        return self.function(rows)


def ask(
    folder: Path,
    function: Any,
    requirements: list[str] | None = None,
    more: Sequence[Question] = (),
    **changes: Any,
) -> Answers:
    """Save a model in the format of a version, predict twice, and ask further questions."""
    raw = folder / "artifact" / model_process.RAW_MODEL
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        mlflow.sklearn.save_model(
            Model(function), str(raw), pip_requirements=requirements or BASE,
            serialization_format="cloudpickle",
        )  # fmt: skip
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    (folder / "artifact" / FEATURE_SPEC).write_text("input_columns: []\n")
    questions = [
        Question(name="first", rows=ROWS, timed=True),
        Question(name="second", rows=ROWS, take=[[2], [0]]),
        *more,
    ]
    given: dict[str, Any] = {"seconds_per_row": 1.0} | changes
    return model_process.ask_version(str(folder / "artifact"), questions, **given)


def is_running(pid: int) -> bool:
    """Return whether a process is running."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_sees_no_credentials_no_home_and_no_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABRICKS_TOKEN", "MLFLOW_TRACKING_URI", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")

    def look(rows: Any) -> Any:
        import os
        import urllib.request

        seen = {"secret"} & set(os.environ.values())
        # matplotlib has created its folder by now.
        found = {each.name for each in Path.home().iterdir()} - {".config", ".cache"}
        wrong = len(seen) + len(found)
        try:
            urllib.request.urlopen("http://localhost:1", timeout=5)
            wrong += 1
        except OSError as error:
            # Refused by the proxy, on which nothing listens, not by the address.
            wrong += "refused" not in str(error)
        if wrong:
            raise ValueError(f"{seen}, {found}, {wrong}")
        return np.zeros(len(rows))

    answers = ask(tmp_path, look)
    assert answers.failure == ""
    assert answers.given["first"].error == ""


def test_rows_are_asked_about_as_they_are_taken(tmp_path: Path) -> None:
    def change(rows: Any) -> Any:
        result = rows["x"].to_numpy() + len(rows)
        rows["x"] = 0.0
        return result

    answers = ask(tmp_path, change)
    first, second = answers.given["first"], answers.given["second"]
    assert first.values is not None
    assert second.values is not None
    assert (first.values.tolist(), second.values.tolist()) == ([3.0, 4.0, 5.0], [3.0, 1.0])
    assert [first.altered, second.altered] == [True, True]
    assert first.form == "ndarray of float64, shape (3,)"


def test_what_it_does_not_require_cannot_be_imported(tmp_path: Path) -> None:
    def import_unlisted(rows: Any) -> Any:
        import optuna  # noqa: F401

        return np.zeros(len(rows))

    answers = ask(tmp_path, import_unlisted)
    assert "optuna is not a requirement of the model" in answers.given["first"].error
    assert "restricted" in answers.environment
    assert (
        "optuna"
        not in ask(tmp_path / "listed", import_unlisted, [*BASE, "optuna"]).given["first"].error
    )


def test_a_model_that_looks_whether_a_package_is_installed_finds_none(tmp_path: Path) -> None:
    def look(rows: Any) -> Any:
        from importlib.util import find_spec

        if find_spec("optuna") is not None:
            raise ValueError("optuna is here")
        return np.zeros(len(rows))

    assert ask(tmp_path, look).given["first"].error == ""


def test_a_model_that_is_loaded_anew_has_seen_no_rows(tmp_path: Path) -> None:
    class Counting:
        calls = 0

        def __call__(self, rows: Any) -> Any:
            self.calls += 1
            return np.full(len(rows), float(self.calls))

    third = Question(name="third", rows=ROWS, reload=True)
    found = ask(tmp_path, Counting(), more=[third]).given["third"].values
    assert found is not None
    assert found.tolist() == [1.0, 1.0, 1.0]


def test_calls_at_the_same_time_share_a_model(tmp_path: Path) -> None:
    class Keeping:
        def __call__(self, rows: Any) -> Any:
            self.rows = rows
            time.sleep(0.001)
            return self.rows["x"].to_numpy()

    alone = [[at % len(ROWS)] for at in range(60)]
    more = [
        Question(name="third", rows=ROWS, take=alone),
        Question(name="fourth", rows=ROWS, take=alone, at_once=True),
    ]
    given = ask(tmp_path, Keeping(), more=more).given
    one, other = given["third"].values, given["fourth"].values
    assert one is not None
    assert other is not None
    assert one.tolist() == [ROWS["x"][at] for (at,) in alone]
    assert other.tolist() != one.tolist()


def test_a_model_that_fails_at_the_same_time_is_described(tmp_path: Path) -> None:
    class Busy:
        busy = False

        def __call__(self, rows: Any) -> Any:
            if self.busy:
                raise RuntimeError("one at a time")
            self.busy = True
            time.sleep(0.05)
            self.busy = False
            return np.zeros(len(rows))

    third = Question(name="third", rows=ROWS, take=[[0], [1], [2]], at_once=True)
    given = ask(tmp_path, Busy(), more=[third]).given
    assert given["second"].error == ""
    assert given["third"].error == "RuntimeError: one at a time"


def test_what_becomes_no_numbers_in_a_response_is_described(tmp_path: Path) -> None:
    def predict(rows: Any) -> Any:
        return pd.Series(np.full(len(rows), 0.5))

    answers = ask(tmp_path, predict, more=[Question(name="third", rows=ROWS, as_json=True)])
    assert answers.given["first"].values is not None
    assert answers.given["third"].values is None
    assert "list of object, shape (3,), such as {'0': 0.5}" in answers.given["third"].form


def test_an_error_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    def fail(rows: Any) -> Any:
        raise ValueError(f"no file \udcff.csv for {len(rows)} rows")

    error = ask(tmp_path, fail).given["first"].error
    assert error == r"ValueError: no file \udcff.csv for 3 rows"


def test_a_model_without_look_ups_is_not_asked(tmp_path: Path) -> None:
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    answers = model_process.ask_version(str(artifact), [], seconds_per_row=1.0)
    assert "logged without feature look-ups" in answers.failure
    assert answers.given == {}


def test_a_process_that_ends_or_hangs_is_a_failure_with_its_last_words(tmp_path: Path) -> None:
    def end(rows: Any) -> Any:
        import os
        import sys

        if len(rows) < 3:
            print("no more", file=sys.stderr, flush=True)
            os._exit(3)
        return np.zeros(len(rows))

    answers = ask(tmp_path, end)
    assert list(answers.given) == ["first"]
    assert "ended with 3" in answers.failure
    assert answers.failure.endswith("no more")


@pytest.mark.parametrize(("number", "text"), [(9, "as if memory had run out"), (35, "signal 35:")])
def test_a_process_that_is_killed_says_by_what(tmp_path: Path, number: int, text: str) -> None:
    def end(_: Any) -> Any:
        import os

        os.kill(os.getpid(), number)

    failure = ask(tmp_path, end).failure
    assert f"was killed by signal {number}" in failure
    assert text in failure


@pytest.mark.nightly
def test_what_a_model_leaves_running_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_process, "ANSWERED_WITHIN", 30.0)
    note = str(tmp_path / "left")

    def leave(rows: Any) -> Any:
        import os
        import time

        if os.fork() == 0:
            # In another session, without a parent.
            os.setsid()
            if os.fork() == 0:
                with Path(note).open("a") as file:
                    file.write(f"{os.getpid()}\n")
                time.sleep(300)
            os._exit(0)
        if len(rows) < 3:
            time.sleep(300)
        return np.zeros(len(rows))

    answers = ask(tmp_path, leave)
    assert "had not answered after 30 s" in answers.failure
    assert list(answers.given) == ["first"]
    left = [int(line) for line in (tmp_path / "left").read_text().split()]
    assert left
    # A killed process takes a moment to end.
    for _ in range(100):
        if not any(is_running(pid) for pid in left):
            break
        time.sleep(0.1)
    assert [pid for pid in left if is_running(pid)] == []


def test_a_slow_model_is_asked_no_more(tmp_path: Path) -> None:
    def wait(rows: Any) -> Any:
        import time

        time.sleep(0.5)
        return np.zeros(len(rows))

    answers = ask(tmp_path, wait, seconds_per_row=0.01)
    assert list(answers.given) == ["first"]
    assert answers.failure == ""
    assert answers.given["first"].seconds > 0.4


def test_a_model_that_is_slow_once_is_asked_again(tmp_path: Path) -> None:
    class Slow:
        calls = 0

        def __call__(self, rows: Any) -> Any:
            import time

            self.calls += 1
            time.sleep(0.5 if self.calls == 2 else 0.0)
            return np.zeros(len(rows))

    answers = ask(tmp_path, Slow(), seconds_per_row=0.1)
    assert list(answers.given) == ["first", "second"]
    assert answers.given["first"].seconds < 0.3


def test_an_environment_that_cannot_be_built_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")

    def predict(rows: Any) -> Any:
        return np.zeros(len(rows))

    answers = ask(tmp_path, predict, [*BASE, "numpy==0.0.1"])
    assert "uv could not build it" in answers.untried
    assert "numpy==0.0.1, installed" in answers.untried


@pytest.mark.nightly
def test_an_environment_is_built_where_requirements_differ(tmp_path: Path) -> None:
    def predict(rows: Any) -> Any:
        import six  # type: ignore[import-untyped]  # noqa: F401

        return np.full(len(rows), float(np.__version__[0]))

    pinned = [*(f"{name}=={version(name)}" for name in BASE), "six==1.16.0"]
    answers = ask(tmp_path, predict, pinned)
    assert answers.untried == ""
    assert "built of its 6 requirements" in answers.environment
    assert answers.given["first"].error == ""


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("numpy", None),
        ("no-such-distribution", "not installed"),
        ("numpy==0.0.1", "installed"),
        ("numpy @ https://example.com/numpy.whl", "installed"),
        ("-e .", "cannot be read"),
        ("/tmp/thing.whl", "cannot be read"),
    ],
)
def test_a_requirement_that_is_not_met_is_named(line: str, text: str | None) -> None:
    found = list(find_differences([line]))
    assert found == [] if text is None else text in found[0]


def test_requirements_and_python_are_exact(tmp_path: Path) -> None:
    (tmp_path / "python_env.yaml").write_text(f"python: {sys.version.split()[0]}\n")
    listed = tmp_path / "requirements.txt"
    listed.write_text("# a comment\nnumpy==2.1.0\n-c constraints.txt\nx @ https://a/x.whl\n")
    assert list(find_flaws(tmp_path)) == []
    listed.write_text("numpy==2.1.0\npandas\nscikit-learn>=1.5\nscipy==1.*\n")
    (tmp_path / "python_env.yaml").write_text("python: 2.7.18\n")
    loose, python = find_flaws(tmp_path)
    assert (
        loose == "its requirements have no exact version of pandas, scikit-learn>=1.5, scipy==1.*"
    )
    assert "logged with Python 2.7, this task has" in python


def test_databricks_builds_always(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IS_SERVERLESS", "true")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    (tmp_path / "requirements.txt").write_text("numpy\n")
    (tmp_path / "python_env.yaml").write_text(f"python: {sys.version.split()[0]}\n")
    environment = prepare_environment(tmp_path, tmp_path / "environment")
    assert "uv could not build it" in environment.untried
    assert environment.python == sys.executable
