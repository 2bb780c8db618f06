"""Any two choices of two options make a project that passes its own lint, types among it."""

import os
import re
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from conformance.tests.projects import ROOT
from scaffold.tests.rendering import Answers, Renderer
from scaffold.tests.shapes import MANIFEST, PAIRS, cover_pairs
from scaffold.trees import write_tree

# The environment of these tests stands for a project's own: it has what the same lock names.
UV = """#!/bin/sh
case "$1 $2" in
    "sync --locked") ;;
    "run --no-sync") shift 2; exec "$@" ;;
    *) echo "not expected: uv $*" >&2; exit 1 ;;
esac
"""

# Serving alone changes Python. With it, a project's own lint is run by test_own_tests.py.
WITHOUT_SERVING = next(row for row in PAIRS if row["serving"] == "no")
each_pair = pytest.mark.parametrize(
    "choices",
    [
        pytest.param(row, marks=() if row is WITHOUT_SERVING else pytest.mark.nightly)
        for row in PAIRS
    ],
    ids=lambda row: "-".join(row.values()),
)


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a command in a project; types of libraries are worked out once for all."""
    folder = tmp_path_factory.mktemp("surroundings")
    (folder / "uv").write_text(UV)
    (folder / "uv").chmod(0o755)
    # What `make lint` has left here of libraries.
    if (ROOT / ".mypy_cache").exists():
        shutil.copytree(ROOT / ".mypy_cache", folder / "types")
    programs = Path(sys.executable).parent
    return {
        **os.environ,
        "PATH": os.pathsep.join((str(folder), str(programs), os.environ["PATH"])),
        "MYPY_CACHE_DIR": str(folder / "types"),
        "RUFF_NO_CACHE": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Where the project itself is: it is not installed.
        "PYTHONPATH": "src",
    }


@pytest.fixture
def project(renderer: Renderer, choices: Answers, tmp_path: Path) -> Path:
    write_tree(renderer.render({"project_name": "zoo", **choices}), tmp_path)
    return tmp_path / "zoo"


def run(
    command: list[str], project: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )


@each_pair
def test_a_project_of_two_choices_passes_its_own_lint(
    project: Path, surroundings: dict[str, str]
) -> None:
    done = run(["make", "lint"], project, surroundings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        r"^Success: no issues found in \d{2,} source files$", done.stdout, re.MULTILINE
    )


@each_pair
def test_all_tests_of_a_project_of_two_choices_are_found(
    project: Path, surroundings: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = run(command, project, surroundings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d{3,} tests collected in", done.stdout, re.MULTILINE), done.stdout


def test_every_pair_of_choices_is_among_those_that_are_tried() -> None:
    options = {"a": ("1", "2", "3"), "b": ("1", "2"), "c": ("1", "2")}
    for offered, rows in ((options, cover_pairs(options)), (MANIFEST.options, PAIRS)):
        for (one, firsts), (other, seconds) in combinations(offered.items(), 2):
            found = {(row[one], row[other]) for row in rows}
            assert found == {(first, second) for first in firsts for second in seconds}
    assert len(cover_pairs(options)) == 6
