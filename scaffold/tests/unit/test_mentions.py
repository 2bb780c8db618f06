"""Neither the project speaks of the laptop, nor the laptop of the project."""

import re
from pathlib import Path

import pytest

from conformance.tests.projects import ROOT

PACKAGE = ROOT / "src" / "flight_delays"


def find_mentions(folder: Path, word: str) -> list[str]:
    """List the text files below a folder that hold a word, in any case and any of its forms."""
    form = re.escape(word).replace("_", "[-_ ]")
    pattern = re.compile(rf"(?<![a-z0-9]){form}(?![a-z0-9])", re.IGNORECASE)
    files = [path for path in folder.rglob("*") if path.suffix in {".py", ".yml", ".toml"}]
    assert files, f"no text below {folder}"
    return [str(path) for path in files if pattern.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import some_word", True),
        ("# Some-word's own", True),
        ("title: Some Word", True),
        ("awesome_words", False),
    ],
)
def test_every_form_of_a_word_is_found(text: str, found: bool, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(text)
    assert bool(find_mentions(tmp_path, "some_word")) is found


def test_the_project_never_mentions_the_laptop() -> None:
    assert find_mentions(PACKAGE, "laptop") == []


def test_the_laptop_never_mentions_the_project() -> None:
    assert find_mentions(ROOT / "laptop" / "src", "flight_delays") == []


def test_the_project_imports_itself_by_relative_names_only() -> None:
    absolute = re.compile(r"^\s*(?:from|import) flight_delays\b", re.MULTILINE)
    modules = list(PACKAGE.rglob("*.py"))
    assert modules
    assert [str(path) for path in modules if absolute.search(path.read_text())] == []
