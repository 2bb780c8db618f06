"""Load and query a model in a separate process, without imports of this project.

    python -I model_program.py FOLDER

FOLDER has task.json and the tables of the questions. Each answer is written at once, so that
earlier ones are kept if the model ends the process.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

# Maximum number of tries for a question that takes too long.
TRIES = 3
# Number of threads that predict at the same time.
THREADS = 4


class Listed:
    """A module finder that hides packages which the model does not require.

    To a library that looks for an optional package, a hidden one is not installed.

    Args:
        finder: A finder of `sys.meta_path`.
        refused: Names of the hidden top-level packages.
    """

    def __init__(self, finder: Any, refused: Sequence[str]) -> None:
        self.finder = finder
        self.refused = frozenset(refused)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the finder."""
        return getattr(self.finder, name)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module; None for refused ones."""
        if name.partition(".")[0] in self.refused:
            return None
        found: ModuleSpec | None = self.finder.find_spec(name, path, target)
        return found


def describe(error: BaseException, refused: Sequence[str]) -> str:
    """Return the error message, and whether the model lacks a requirement."""
    top = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    why = f" ({top} is not a requirement of the model, even indirectly)" if top in refused else ""
    # Lone surrogates, as in an undecodable file name, cannot be written as UTF-8.
    text = f"{type(error).__name__}: {error}".encode(errors="backslashreplace").decode()
    return text[:2000] + why


class Asked:
    """A loaded model and the folder for its answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.task = json.loads((folder / "task.json").read_text())
        self.load()

    def load(self) -> None:
        """Load the model, or load it again."""
        import mlflow

        # Requirements were checked before; MLflow would list every package again.
        self.served = mlflow.pyfunc.load_model(self.task["model"], suppress_warnings=True)
        try:
            # The fitted estimator, without MLflow's schema checks, which copy the rows.
            self.model = self.served.get_raw_model()
        except NotImplementedError:
            self.model = self.served

    def answer_all(self) -> None:
        """Answer the questions in order, and stop after the first that is too slow."""
        import pandas as pd

        tables: dict[str, Any] = {}
        for question in self.task["questions"]:
            table = question["rows"]
            if table not in tables:
                tables[table] = pd.read_parquet(self.folder / table)
            if question["reload"]:
                self.load()
            rows, take = tables[table], question["take"]
            parts = [rows] if take is None else [rows.iloc[some] for some in take]
            if question["timed"]:
                # Warm-up: libraries may load modules or start threads at the first call.
                self.answer(parts, as_json=False)
            count = sum(len(part) for part in parts)
            # Slow once may be the load of the machine; slow each time is the model.
            for _ in range(TRIES if question["timed"] else 1):
                found = (
                    self.answer_at_once(parts)
                    if question["at_once"]
                    else self.answer(parts, as_json=question["as_json"])
                )
                if found["seconds"] <= count * self.task["seconds_per_row"]:
                    break
            (self.folder / f"{question['name']}.json").write_text(json.dumps(found))
            if found["seconds"] > count * self.task["seconds_per_row"] and question["timed"]:
                return

    def answer(self, parts: Sequence[Any], *, as_json: bool) -> dict[str, Any]:
        """Predict each part separately, and return the combined answer."""
        import numpy as np

        values: list[float] = []
        found: dict[str, Any] = {"altered": False, "seconds": 0.0, "error": None, "values": None}
        for part in parts:
            try:
                answered = self.ask_as_served(part) if as_json else self.ask(part, found)
                array = np.asarray(answered)
            except (Exception, SystemExit) as error:
                return found | {"error": describe(error, self.task["refused"])}
            found["form"] = f"{type(answered).__name__} of {array.dtype}, shape {array.shape}"
            # Masked arrays hide invalid numbers.
            plain = np.issubdtype(array.dtype, np.floating) and not np.ma.isMaskedArray(answered)
            if array.dtype == object and array.size:
                found["form"] += f", such as {array.flat[0]!r}"[:80]
            if array.shape != (len(part),) or not plain:
                return found | {"expected": f"shape ({len(part)},)"}
            values.extend(array.astype(float).tolist())
        return found | {"values": values}

    def answer_at_once(self, parts: Sequence[Any]) -> dict[str, Any]:
        """Predict the parts in threads, like MLflow's server, and return the combined answer."""
        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(lambda part: self.answer([part], as_json=False), parts))
        for each in answers:
            if each["values"] is None:
                return each
        values = [value for each in answers for value in each["values"]]
        return answers[0] | {"values": values, "altered": any(each["altered"] for each in answers)}

    def ask(self, rows: Any, found: dict[str, Any]) -> Any:
        """Return the estimator's predictions; record the time and whether it changed the rows."""
        given = rows.copy()
        started = time.perf_counter()
        answered = self.model.predict(given)
        found["seconds"] += time.perf_counter() - started
        found["altered"] |= not (given.equals(rows) and given.dtypes.equals(rows.dtypes))
        return answered

    def ask_as_served(self, rows: Any) -> Any:
        """Return predictions as an endpoint does for a request and response in JSON."""
        from mlflow.pyfunc.scoring_server import infer_and_parse_data, predictions_to_json

        # Full precision: one digit less could move a value over a tree's threshold.
        data = rows.astype(object).mask(rows.isna(), None).to_numpy().tolist()
        split = {"columns": list(rows.columns), "data": data}
        signature = self.served.metadata.signature
        typed = {"schema": signature.inputs} if signature else {}
        request = json.loads(json.dumps({"dataframe_split": split}))
        answered, written = self.served.predict(infer_and_parse_data(request, **typed)), StringIO()
        predictions_to_json(answered, written)  # type: ignore[no-untyped-call]
        return json.loads(written.getvalue())["predictions"]


def main(folder: Path) -> int:
    """Load the model and answer; write to failure.json if it cannot be loaded."""
    task = json.loads((folder / "task.json").read_text())
    sys.meta_path[:] = [Listed(finder, task["refused"]) for finder in sys.meta_path]
    try:
        asked = Asked(folder)
    except (Exception, SystemExit) as error:
        (folder / "failure.json").write_text(json.dumps(describe(error, task["refused"])))
        return 1
    asked.answer_all()
    return 0


if __name__ == "__main__":
    status = 1
    try:
        status = main(Path(sys.argv[1]))
    except BaseException:
        traceback.print_exc()
    # Returning would wait for threads that the model left running.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
