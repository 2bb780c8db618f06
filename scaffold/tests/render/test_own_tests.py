"""Projects of very different shape pass their own lint and tests; one of them its own demo."""

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from subprocess import CompletedProcess

import pytest

from scaffold.tests.installed_projects import install_project
from scaffold.tests.rendering import Renderer
from scaffold.tests.repositories import Engine
from scaffold.tests.shapes import DEMONSTRATED, SHAPES

WORKERS = 2

Runs = Mapping[str, Future[CompletedProcess[str]]]


@pytest.fixture(scope="module")
def runs(
    bundle: Engine, renderer: Renderer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """What `make` says in each project; two at a time, each in one of two environments."""
    places: SimpleQueue[Path] = SimpleQueue()
    for number in range(WORKERS):
        places.put(tmp_path_factory.mktemp(f"place{number}"))

    def run(shape: str, folder: Path) -> CompletedProcess[str]:
        place = places.get()
        try:
            project = install_project(bundle, renderer.complete(SHAPES[shape]), folder, place)
            if shape != DEMONSTRATED:
                return project.run("make", "lint", "test")
            done = project.run("make", "lint", "test", "demo")
            project.shut_down()
            return done
        finally:
            places.put(place)

    folders = {shape: tmp_path_factory.mktemp("project") for shape in SHAPES}
    # The longest goes first.
    order = sorted(SHAPES, key=lambda shape: shape != DEMONSTRATED)
    with ThreadPoolExecutor(WORKERS) as pool:
        yield {shape: pool.submit(run, shape, folders[shape]) for shape in order}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_project_passes_its_own_lint_and_tests(runs: Runs, shape: str) -> None:
    done = runs[shape].result()
    assert done.returncode == 0, done.stdout
    assert re.search(r"^Success: no issues found in \d{3} source files$", done.stdout, re.MULTILINE)
    assert re.search(r"^=+ \d{3,} passed, \d+ deselected in .*$", done.stdout, re.MULTILINE)


def test_a_project_shows_its_own_demo(runs: Runs) -> None:
    done = runs[DEMONSTRATED].result()
    assert done.returncode == 0, done.stdout
    assert "Status" in done.stdout
