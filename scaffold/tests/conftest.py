from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from conformance.tests.commands import find_program
from conformance.tests.workspaces import serve_workspaces
from scaffold.templates import compile_templates, write_templates
from scaffold.tests.monorepos import NAMES, Repository, add_project
from scaffold.tests.rendering import Renderer, load_renderer
from scaffold.tests.repositories import Engine, Render, add_all, copy_repository
from scaffold.trees import write_new


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the working tree with compiled templates; do not modify."""
    root = copy_repository(tmp_path_factory.mktemp("root"))
    write_templates(compile_templates(root), root)
    return root


@pytest.fixture(scope="session")
def bundle(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    program = find_program("databricks", "run `make databricks-cli` (needs Go)")
    return Engine("bundle", program, root, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def cookiecutter(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    program = find_program("cookiecutter", "run `make test`")
    template = tmp_path_factory.mktemp("cookiecutter")
    write_new(compile_templates(root).cookiecutter, template)
    return Engine("cookiecutter", program, template, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def render(bundle: Engine, tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Return a function that renders a project by name, once for all tests; do not modify."""

    @cache
    def render_one(name: str) -> Path:
        return bundle.make(tmp_path_factory.mktemp(name), {"project_name": name})

    return render_one


@pytest.fixture(scope="session")
def repository(bundle: Engine, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a function from a choice to a repository of three projects; do not modify."""

    @cache
    def make_one(choice: str) -> Path:
        made = tmp_path_factory.mktemp(choice)
        (made / "README.md").write_text("Ours.\n")
        for name in NAMES:
            add_project(bundle, made, name, choice)
        add_all(made)
        return made

    return make_one


@pytest.fixture(params=["bundle", "cookiecutter"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of the CLI's fake workspace."""
    program = find_program("fake-workspace", "run `make databricks-cli` (needs Go)")
    log = tmp_path_factory.mktemp("fake-workspace") / "errors.log"
    with serve_workspaces(program, log) as url:
        yield url


@pytest.fixture(scope="session")
def renderer(root: Path) -> Renderer:
    return load_renderer(root)
