"""A new project passes its own lint and quick tests, in an environment of its own."""

import re
from pathlib import Path

from scaffold.tests.installed_projects import install_project
from scaffold.tests.rendering import Renderer
from scaffold.tests.repositories import Engine
from scaffold.tests.shapes import SHAPES


def test_a_project_passes_its_own_lint_and_tests(
    bundle: Engine, renderer: Renderer, tmp_path: Path
) -> None:
    project = install_project(bundle, renderer.complete(SHAPES["defaults"]), tmp_path)
    done = project.run("make", "lint", "test")
    assert done.returncode == 0, done.stdout
    assert re.search(
        r"^Success: no issues found in \d{2,} source files$", done.stdout, re.MULTILINE
    )
    assert re.search(r"^=+ \d{3,} passed.* in .*$", done.stdout, re.MULTILINE)
