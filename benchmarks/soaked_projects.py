"""All tests and the demo of three projects of very different shape, one after another.

Among the tests are those that stay in this repository. That takes longer than a commit may. What
passed, and how long it took, goes into a file of the day in benchmarks/results/.
"""

import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from shutil import which

from conformance.tests.projects import PATH, ROOT
from scaffold.tests.installed_projects import add_framework_tests, install_project
from scaffold.tests.rendering import load_renderer
from scaffold.tests.repositories import Engine
from scaffold.tests.shapes import SHAPES, SOAKED

RESULTS = Path(__file__).parent / "results"
STEPS = (("make", "lint"), ("make", "test", "SLOW=1"), ("make", "demo"))


def main() -> int:
    """Run every step of every project, write what came of it, and fail if one failed."""
    program = which("databricks", path=PATH)
    if program is None:
        raise SystemExit("No databricks on the PATH or in .tools/bin: run `make databricks-cli`.")
    renderer = load_renderer(ROOT)
    day = datetime.now(UTC).date()
    lines = [f"# Three projects, {day}", "", "| project | command | outcome | s |"]
    lines.append("|---|---|---|--:|")
    failed = False
    for shape in SOAKED:
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine("bundle", Path(program), ROOT, Path(folder))
            answers = renderer.complete(SHAPES[shape])
            project = install_project(engine, answers, Path(folder) / "made")
            add_framework_tests(project.root, answers)
            for step in STEPS:
                start = time.perf_counter()
                done = project.run(*step)
                seconds = time.perf_counter() - start
                failed |= done.returncode != 0
                lines.append(f"| {shape} | `{' '.join(step)}` | {validate(done)} | {seconds:.0f} |")
                print(lines[-1], flush=True)
                if done.returncode:
                    print(done.stdout, file=sys.stderr)
            project.shut_down()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{day}-soaked-projects.md").write_text("\n".join((*lines, "")))
    return int(failed)


def validate(done: subprocess.CompletedProcess[str]) -> str:
    """Return whether a command passed, and the tests that it counted."""
    counted = re.findall(r"^\d+ passed.* in .*$|^\d+ failed.* in .*$", done.stdout, re.MULTILINE)
    return ": ".join(["failed" if done.returncode else "passed", *counted])


if __name__ == "__main__":
    sys.exit(main())
