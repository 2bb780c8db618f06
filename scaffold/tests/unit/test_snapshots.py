"""The files of a project and what each choice makes of them are as they were reviewed."""

from difflib import unified_diff

import pytest

from scaffold.tests.rendering import Renderer
from scaffold.tests.shapes import MANIFEST
from scaffold.tests.snapshots import FOLDER, write_snapshots

ADVICE = "Run `make snapshots`, and review what it changes in scaffold/tests/snapshots."


def test_each_choice_makes_of_a_project_what_was_reviewed(renderer: Renderer) -> None:
    snapshots = write_snapshots(renderer)
    standing = {path.name: path.read_text() for path in FOLDER.iterdir()}
    differences = [
        line
        for name in sorted(snapshots.keys() | standing.keys())
        for line in unified_diff(
            standing.get(name, "").splitlines(), snapshots.get(name, "").splitlines(), name, "now"
        )
    ]
    assert snapshots == standing, "\n".join((ADVICE, *differences))


@pytest.mark.parametrize("option", MANIFEST.options)
def test_each_choice_of_an_option_can_be_told_from_every_other(
    renderer: Renderer, option: str
) -> None:
    changes = [
        text for name, text in write_snapshots(renderer).items() if name.startswith(f"{option}-")
    ]
    assert len(changes) == len(MANIFEST.options[option]) - 1
    assert "" not in changes
    assert len(set(changes)) == len(changes)
