"""A new project is small enough for its owner to read."""

import pytest

from scaffold.tests.rendering import Renderer
from scaffold.tests.sizes import count_lines, find_folder

# Before a file is added, ask whether a project's owner would miss it.
MOST_FILES, MOST_LINES = 222, 28_280


def test_a_project_holds_few_files_and_lines(renderer: Renderer) -> None:
    lines = count_lines(renderer)
    assert len(lines) <= MOST_FILES
    assert sum(lines.values()) <= MOST_LINES


def test_what_nobody_reads_is_not_counted(renderer: Renderer) -> None:
    counted = count_lines(renderer)
    made = {path.partition("/")[2] for path in renderer.render({})}
    left = made - counted.keys()
    assert {"uv.lock", "vendor/README.md", "notebooks/exploration.ipynb"} < left
    assert len(left) == 9


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("Makefile", "."),
        (".github/workflows/release.yml", ".github"),
        ("src/air/__init__.py", "src/air"),
        ("src/air/conf/model.yml", "src/air/conf"),
        ("tests/conftest.py", "tests"),
        ("tests/problem/conftest.py", "tests/problem"),
        ("docs/features.md", "docs"),
    ],
)
def test_a_file_is_counted_in_its_folder(path: str, folder: str) -> None:
    assert find_folder(path) == folder
