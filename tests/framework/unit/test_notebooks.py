"""Notebooks are committed without outputs."""

import json
from pathlib import Path

import pytest

from tests.declared import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ADVICE = "Run `make format`, which takes off what running a notebook has left in it."


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_what_it_has_printed(path: Path) -> None:
    text = path.read_text()
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 3
    left = [cell["id"] for cell in cells if cell["outputs"] or cell["execution_count"]]
    assert left == [], ADVICE
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n", ADVICE
