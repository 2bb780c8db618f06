"""Run the long tests, and the tests of projects with different options.

    python -m benchmarks.nightly FOLDER...

Runs the tests marked nightly in each of these folders. Then, in each of six projects, runs its lint
and quick tests, in some also its demo and its tests on laptop workspaces, and in one without an
endpoint some tests that only this repository has. Results and durations are written to a file of
the day in benchmarks/results/.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from shutil import which

from conformance.tests.projects import PATH, ROOT
from scaffold.tests.installed_projects import FRAMEWORK, add_framework_tests, install_project
from scaffold.tests.rendering import load_renderer
from scaffold.tests.repositories import Engine
from scaffold.tests.shapes import SHAPES, THOROUGH

RESULTS = Path(__file__).parent / "results"
PYTEST = ("pytest", "-n", "2", "--dist", "loadfile", "--timeout=1800", "--durations=20")
Commands = tuple[tuple[str, ...], ...]
QUICK: Commands = (("make", "lint"), ("make", "test"))
SLOW: Commands = (("make", "demo"), ("make", "test-slow"))
# Tests that only this repository has and that differ without an endpoint.
STAYING = tuple(
    f"{FRAMEWORK}/{path}"
    for path in ("unit", "cli", "local/test_recovery.py", "local/test_outputs.py",
                 "local/test_approval.py", "local/test_monitoring.py")
)  # fmt: skip

# The exit code of pytest if a folder has no such test.
NONE = 5

Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass
class Report:
    """A table of commands and results, written after each command in case of interruption."""

    lines: list[str] = field(default_factory=list)
    failed: bool = False
    day: date = field(default_factory=lambda: datetime.now(UTC).date())

    def take(self, place: str, run: Run, command: tuple[str, ...]) -> None:
        """Run a command and add its result."""
        start = time.perf_counter()
        try:
            done = run(*command)
        except subprocess.TimeoutExpired as late:
            said = f"Not done after {late.timeout:.0f} s."
            done = subprocess.CompletedProcess(command, 1, said)
        seconds = time.perf_counter() - start
        if done.returncode == NONE and command[0] == "pytest":
            return
        self.failed |= done.returncode != 0
        outcome = summarize(done)
        self.lines.append(f"| {place} | `{' '.join(command)}` | {outcome} | {seconds:.0f} |")
        print(self.lines[-1], flush=True)
        head = [
            f"# Nightly, {self.day}",
            "",
            "| where | command | outcome | s |",
            "|---|---|---|--:|",
        ]
        RESULTS.mkdir(exist_ok=True)
        file = RESULTS / f"{self.day}-nightly.md"
        file.write_text("\n".join((*head, *self.lines, "")))
        if done.returncode:
            print(done.stdout, file=sys.stderr)


def run_here(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this repository."""
    return subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def summarize(done: subprocess.CompletedProcess[str]) -> str:
    """Return whether a command passed, and its test counts."""
    counted = re.findall(r"^=+ (\d+ (?:passed|failed).*?) in .*$", done.stdout, re.MULTILINE)
    return ": ".join(["failed" if done.returncode else "passed", *counted])


def main(folders: list[str]) -> int:
    """Run all commands, write the results, and return 1 if one failed."""
    program = which("databricks", path=PATH)
    if program is None:
        raise SystemExit("No databricks on the PATH or in .tools/bin: run `make databricks-cli`.")
    report, renderer = Report(), load_renderer(ROOT)
    for folder in folders:
        if (ROOT / folder).exists():
            report.take("this repository", run_here, (*PYTEST, "-m", "nightly", folder))
    for shape, given in SHAPES.items():
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine("bundle", Path(program), ROOT, Path(folder))
            answers = renderer.complete(given)
            project = install_project(engine, answers, Path(folder) / "made")
            for step in (*QUICK, *(SLOW if shape in THOROUGH else ())):
                report.take(shape, project.run, step)
            project.shut_down()
            if shape in THOROUGH and answers["serving"] == "no":
                add_framework_tests(project.root, answers)
                step = ("uv", "run", "--no-sync", *PYTEST, "-m", "not nightly", *STAYING)
                report.take(shape, project.run, step)
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
