"""What is rendered in this process is what the two programs make."""

from pathlib import Path

import pytest

from scaffold.tests.rendering import Answers, Renderer
from scaffold.tests.repositories import Engine
from scaffold.tests.shapes import MANIFEST, SHAPES
from scaffold.trees import compare, read_folder


@pytest.mark.parametrize("answers", SHAPES.values(), ids=SHAPES)
def test_a_render_of_this_process_has_the_bytes_of_each_engine(
    engine: Engine, renderer: Renderer, tmp_path: Path, answers: Answers
) -> None:
    done = engine.run(tmp_path, answers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert compare(renderer.render(answers), read_folder(tmp_path)) == []


def test_shapes_answer_what_is_asked_with_each_choice_of_each_option() -> None:
    assert len(SHAPES) == 6
    for answers in SHAPES.values():
        assert answers.keys() <= MANIFEST.questions.keys()
    for option, choices in MANIFEST.options.items():
        assert {answers[option] for answers in SHAPES.values()} == set(choices)
