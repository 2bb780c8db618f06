"""Documents name what there is."""

import re
import shlex
from pathlib import Path

import pytest

from conformance.tests.projects import ROOT
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, ModelType, regression
from scaffold.sentinel import PROJECT_NAME
from scaffold.tests.documents import list_commands
from scaffold.tests.rendering import Renderer
from scaffold.tests.repositories import add_all
from scaffold.trees import write_tree


@pytest.fixture(scope="module")
def project(renderer: Renderer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of this repository's own answers."""
    folder = tmp_path_factory.mktemp("project")
    write_tree(renderer.render(renderer.own), folder)
    add_all(folder / renderer.own[PROJECT_NAME])
    return folder / renderer.own[PROJECT_NAME]


@pytest.fixture(params=["repository", "project"])
def folder(request: pytest.FixtureRequest, project: Path) -> Path:
    return ROOT if request.param == "repository" else project


def list_documents(folder: Path) -> list[Path]:
    patterns = ("*.md", "docs/*.md", "laptop/*.md", "vendor/*.md")
    return [path for pattern in patterns for path in folder.glob(pattern)]


def test_links_of_documents_lead_somewhere(folder: Path) -> None:
    documents = list_documents(folder)
    assert len(documents) >= 9
    for document in documents:
        links = re.findall(r"\]\(([^)#]+)", document.read_text())
        files = [document.parent / link for link in links if "://" not in link]
        assert [file for file in files if not file.exists()] == [], document


def test_make_targets_that_documents_name_exist(project: Path) -> None:
    named = {
        target
        for document in list_documents(project)
        for line in list_commands(document)
        if line.startswith("make ")
        for target in shlex.split(line)[1:]
        if "=" not in target
    }
    makefile = (project / "Makefile").read_text()
    assert {"demo", "test"} <= named
    assert [target for target in named if not re.search(rf"^{target}:", makefile, re.M)] == []


def rows_of(heading: str) -> dict[str, str]:
    """Return the first two columns of the table below a heading, or a row's start, of the page."""
    _, _, below = (ROOT / "docs" / "your-problem.md").read_text().partition(heading)
    table = below[below.index("|---") :].partition("\n\n")[0].splitlines()[1:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table]
    return {first: second for first, second, *_ in cells}


def test_messages_that_are_explained_are_those_of_the_code() -> None:
    sources = (ROOT / "src").rglob("*.py")
    code = "\n".join(path.read_text() for path in sources)
    explained = rows_of("## What some errors mean")
    assert len(explained) >= 4
    for message in explained:
        for fragment in message.strip("`").split("…"):
            assert fragment.strip(" ;:,") in code, message


@pytest.mark.parametrize(
    "model_type", [BINARY_CLASSIFICATION, regression("EUR")], ids=lambda model_type: model_type.name
)
def test_metrics_that_are_listed_are_those_there_are(model_type: ModelType) -> None:
    metrics = rows_of("| model type | metrics")[model_type.name]
    assert re.findall(r"`(\w+)`", metrics) == list(model_type.metrics)
