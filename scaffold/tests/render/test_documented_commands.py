"""The commands that the documents of a project tell people to run."""

import os
import re
import subprocess
import sys
from pathlib import Path

from laptop import connection
from laptop.state_dir import StateDir

from scaffold.sentinel import PROJECT_NAME
from scaffold.tests.rendering import Renderer
from scaffold.tests.repositories import add_all, list_commands
from scaffold.trees import write_tree

# Run by their own tests or by the CI entry, or never ending.
ELSEWHERE = re.compile(r"^(make |databricks |uv run laptop ui)")


def test_commands_of_the_documents_run_in_their_order(project: Path, tmp_path: Path) -> None:
    readme, features, steps = (
        [line for line in commands_of(project / document) if not ELSEWHERE.match(line)]
        for document in ("README.md", "docs/features.md", "docs/first-steps.md")
    )
    # The steps start where the demo ends: November known, and scored.
    lines = [
        "uv run laptop run feature_refresh --params as_of=2013-12-01",
        *readme,
        *features,
        "uv run laptop run batch_inference --params as_of=2013-12-01",
        *steps,
    ]
    # The tests' own environment stands for `uv run`, and for what `make setup` installs.
    script = "\n".join(
        line.replace("uv run ", "").replace("make ", "make -o setup RUN= ") for line in lines
    )
    tools = Path(sys.executable).parent
    done = subprocess.run(
        ["sh", "-eux", "-c", script],
        cwd=project,
        env={
            **os.environ,
            "LAPTOP_HOME": str(tmp_path / "home"),
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    connection.stop(StateDir(tmp_path / "home"))
    assert len(readme) >= 4
    assert len(features) >= 4
    assert len(steps) >= 4
    assert done.returncode == 0, done.stdout + done.stderr
