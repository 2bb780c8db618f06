"""Sources read as they render: few conditional lines, short texts of choices, one name."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from conformance.tests.projects import ROOT
from scaffold.tests.rendering import Renderer
from scaffold.tests.shapes import MANIFEST
from scaffold.trees import read_repository

MOST_ELSE_LINES = 3
MOST_LINES_OF_CI = 350
_ELSE = re.compile(r"\[else\](?: -->)?\n(.*?)^[^\n]*\[end\]", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^<!-- \[option.*?-->\n(.*?)^<!-- \[end\] -->", re.MULTILINE | re.DOTALL)
_LANGUAGES = {".md", ".yml", ".toml", ".sh", ""}


def read_sources() -> Iterator[tuple[str, str]]:
    """Yield each file that may have conditional blocks, with its text."""
    for path, file in read_repository(ROOT).items():
        rule = MANIFEST.find_rule(path)
        if rule and rule[0] == "rendered" and PurePosixPath(path).suffix in _LANGUAGES:
            yield path, file.content.decode()


def render_texts(renderer: Renderer, **answers: str) -> dict[str, str]:
    """Render a project and return its Markdown and YAML by path."""
    made = renderer.render({"project_name": "zoo", **answers})
    return {
        path.removeprefix("zoo/"): file.content.decode()
        for path, file in made.items()
        if path.endswith((".md", ".yml"))
    }


def test_no_commented_alternative_has_more_than_three_lines() -> None:
    lines = [
        (path, found.count("\n")) for path, text in read_sources() for found in _ELSE.findall(text)
    ]
    assert lines
    assert [one for one in lines if one[1] > MOST_ELSE_LINES] == []


def test_texts_that_depend_on_an_option_are_short() -> None:
    texts = [text for value in MANIFEST.values.values() for text in value.texts.values()]
    assert len(texts) > 10
    assert [text for text in texts if text.count("\n") > 2] == []


def test_cicd_pages_have_no_alternatives_and_short_blocks() -> None:
    pages = [(path, text) for path, text in read_sources() if path.startswith("docs/cicd")]
    assert len(pages) == 4
    for path, text in pages:
        assert "[else]" not in text, path
        assert all(len(block.splitlines()) <= 2 for block in _BLOCK.findall(text)), path


def test_ci_pages_of_a_github_render_are_short(renderer: Renderer) -> None:
    texts = render_texts(renderer)
    pages = {path: text for path, text in texts.items() if path.startswith("docs/cicd")}
    assert pages.keys() == {"docs/cicd.md", "docs/cicd-github.md"}
    assert sum(text.count("\n") for text in pages.values()) <= MOST_LINES_OF_CI


def test_owner_and_repository_are_filled_in_once(renderer: Renderer) -> None:
    for choice, page in (("github", "docs/cicd-github.md"), ("azure", ""), ("gitlab", "")):
        texts = render_texts(renderer, ci_platform=choice)
        named = [path for path, text in texts.items() for _ in re.findall(r"OWNER/REPO", text)]
        assert named == ([page] if page else [])
