"""Load and query a model in a separate process without credentials."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import numpy as np

from ..promotion.answers import Answer, Answers, Question
from .model_environment import PASSED_ON, ModelEnvironment, find_flaws, prepare_environment
from .registry import FEATURE_SPEC, describe_inputs

# Path of the model without look-ups inside a model with feature look-ups.
RAW_MODEL = Path("data", "feature_store", "raw_model")
NO_LOOK_UPS = (
    f"it was logged without feature look-ups, its artifact has no {RAW_MODEL}: train it by this job"
)
PROGRAM = Path(__file__).with_name("model_program.py")
# Seconds for importing libraries and loading the model.
LOADED_WITHIN = 300.0
# Seconds in all, so that the task, which has an hour, ends with a verdict.
ANSWERED_WITHIN = 1500.0
# An address without a server.
NOWHERE = "http://127.0.0.1:9"


def ask_version(
    model_uri: str, questions: Sequence[Question], *, seconds_per_row: float
) -> Answers:
    """Return the predictions of a version's model without its look-ups, from a separate process.

    The artifact is downloaded here, with credentials; the process that loads it has an empty home
    directory, no tokens and no addresses. That does not stop determined attackers: see
    docs/security.md.

    The version was logged with feature look-ups; each row may take `seconds_per_row`.

    Returns:
        Its answers, or the reason if it was logged without look-ups.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        fetched = mlflow.artifacts.download_artifacts(
            artifact_uri=model_uri, dst_path=str(folder / "artifact")
        )
        model = Path(fetched) / RAW_MODEL
        if not model.is_dir():
            return Answers(environment="no process", failure=NO_LOOK_UPS)
        environment = prepare_environment(model, folder / "environment")
        # Read before the model's code can change it.
        inputs = describe_inputs(Path(fetched, FEATURE_SPEC).read_text())
        flaws = list(find_flaws(model))
        asked = folder / "asked"
        write_task(asked, model, environment, questions, seconds_per_row)
        rows = sum(question.size for question in questions)
        seconds = min(LOADED_WITHIN + rows * seconds_per_row, ANSWERED_WITHIN)
        failure = run_program(environment.python, asked, seconds)
        given = {
            question.name: answer
            for question in questions
            if (answer := read_answer(asked / f"{question.name}.json", question.size))
        }
        slow = any(
            question.timed and given[question.name].seconds > question.size * seconds_per_row
            for question in questions
            if question.name in given
        )
        if not failure and not slow and len(given) < len(questions):
            failure = "it ended before it had answered everything"
        return Answers(
            environment=environment.description,
            untried=environment.untried,
            failure=failure,
            flaws=flaws,
            given=given,
            inputs=inputs,
        )


def write_task(
    folder: Path,
    model: Path,
    environment: ModelEnvironment,
    questions: Sequence[Question],
    seconds_per_row: float,
) -> None:
    """Write the program's input: the task, and each table once."""
    for each in (folder, folder / "home", folder / "scratch"):
        each.mkdir()
    tables: dict[int, str] = {}
    for question in questions:
        if id(question.rows) not in tables:
            tables[id(question.rows)] = f"table-{len(tables)}.parquet"
            question.rows.to_parquet(folder / tables[id(question.rows)], index=False)
    task = {
        "model": str(model),
        "refused": sorted(environment.refused),
        "seconds_per_row": seconds_per_row,
        "questions": [
            {
                **vars(question),
                "rows": tables[id(question.rows)],
                "take": question.take and [list(map(int, some)) for some in question.take],
            }
            for question in questions
        ],
    }
    (folder / "task.json").write_text(json.dumps(task))


def run_program(python: str, folder: Path, seconds: float) -> str:
    """Run the program; return why it failed, or an empty string."""
    errors = folder / "errors.log"
    # No pipes: orphaned child processes would keep them open.
    with errors.open("wb") as log:
        process = subprocess.Popen(
            [python, "-I", str(PROGRAM), str(folder)],
            cwd=folder / "home",
            env=make_variables(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return f"it had not answered after {seconds:.0f} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        end_others(folder)
    failure = folder / "failure.json"
    if failure.exists():
        return f"it cannot be loaded: {' '.join(str(json.loads(failure.read_text())).split())}"
    if status:
        said = " ".join(read_end(errors).split())
        how = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
        if status == -signal.SIGKILL:
            how += ", as if memory had run out"
        return f"its process {how}: {said or 'no output'}"
    return ""


def end_others(folder: Path) -> None:
    """Kill processes that left the program's session: on Linux, those with its HOME."""
    home = f"HOME={folder / 'home'}".encode()
    # Each may have started further ones.
    for _ in range(10):
        found = False
        for process in Path("/proc").glob("[0-9]*"):
            # The process has ended, or belongs to another user.
            with suppress(OSError):
                if home in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)
                    found = True
        if not found:
            return


def read_end(file: Path) -> str:
    """Return about the last 500 characters of a file."""
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - 500))
        return log.read().decode(errors="replace")


def make_variables(folder: Path) -> Mapping[str, str]:
    """Return the environment variables of the process: no credentials, an unreachable proxy."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
    return kept | proxies | {"HOME": str(folder / "home"), "TMPDIR": str(folder / "scratch")}


def read_answer(file: Path, rows: int) -> Answer | None:
    """Return an answer that the program wrote; None if it is missing or unreadable."""
    try:
        found = json.loads(file.read_text())
        values = found["values"]
        answer = Answer(
            values=None if values is None else np.asarray(values, dtype=np.float64),
            form=str(found.get("form", "")),
            expected=str(found.get("expected", "")),
            error=str(found["error"] or ""),
            altered=bool(found["altered"]),
            seconds=float(found["seconds"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    sound = answer.values is None or answer.values.shape == (rows,)
    return answer if sound else None
