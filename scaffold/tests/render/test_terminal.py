"""Answers typed at a terminal, and those of a cookiecutter configuration."""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from scaffold.tests.rendering import Answers, Renderer
from scaffold.tests.repositories import NOWHERE, Engine
from scaffold.tests.shapes import MANIFEST, SHAPES
from scaffold.tests.terminals import Terminal
from scaffold.trees import compare, read_folder

DOWN, ENTER = "\x1b[B", "\r"
Ask = Callable[..., Terminal]
GATE = MANIFEST.gate


@pytest.fixture
def ask(bundle: Engine) -> Ask:
    """Start `databricks bundle init` at a terminal, to make a project below a folder."""

    def start(folder: Path, *flags: str) -> Terminal:
        folder.mkdir(exist_ok=True)
        command = [str(bundle.program), "bundle", "init", str(bundle.template)]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(bundle.home),
            "TERM": "xterm",
            "DATABRICKS_CONFIG_FILE": os.devnull,
            "DATABRICKS_HOST": NOWHERE,
            "DATABRICKS_TOKEN": "dummy",
        }
        return Terminal([*command, "--output-dir", str(folder), *flags], environment)

    return start


def answer(terminal: Terminal, answers: Answers) -> int:
    """Answer each question, by Enter alone where no answer is given, and return their number."""
    assert GATE is not None
    opened, asked = not set(MANIFEST.later).isdisjoint(answers), 0
    for name, question in MANIFEST.questions.items():
        if name in MANIFEST.later:
            if not opened:
                break
            terminal.expect(question.hint or GATE.hint)
        terminal.expect(question.description)
        if question.choices:
            choose(terminal, question.choices, answers.get(name, question.choices[0]))
        else:
            terminal.expect("]: ")
            terminal.type(answers.get(name, "") + ENTER)
        asked += 1
        if name == GATE.after:
            terminal.expect(GATE.description)
            choose(terminal, ("no", "yes"), "yes" if opened else "no")
            asked += 1
    return asked


def choose(terminal: Terminal, choices: Sequence[str], chosen: str) -> None:
    """Choose one of the choices, of which the first is offered."""
    terminal.expect(f"▸ {choices[0]}")
    terminal.type(DOWN * choices.index(chosen) + ENTER)


def test_four_questions_make_a_project_by_enter_alone(
    ask: Ask, renderer: Renderer, tmp_path: Path
) -> None:
    with ask(tmp_path / "made") as terminal:
        assert answer(terminal, {}) == 4
        code, said = terminal.end()
    assert code == 0, said
    assert compare(renderer.render({}), read_folder(tmp_path / "made")) == []


@pytest.mark.parametrize("answers", [{}, *SHAPES.values()], ids=["enter alone", *SHAPES])
def test_what_is_typed_makes_the_project_of_these_answers(
    ask: Ask, renderer: Renderer, tmp_path: Path, answers: Answers
) -> None:
    with ask(tmp_path / "made") as terminal:
        answer(terminal, answers)
        code, said = terminal.end()
    assert code == 0, said
    assert f"\n  project_name: {renderer.complete(answers)['project_name']}\n" in said
    assert compare(renderer.render(answers), read_folder(tmp_path / "made")) == []


def test_an_answer_that_is_not_allowed_is_asked_for_again(ask: Ask, tmp_path: Path) -> None:
    question = MANIFEST.questions["project_name"]
    with ask(tmp_path / "made") as terminal:
        terminal.expect(question.description)
        terminal.type("my-zoo" + ENTER)
        terminal.expect(f"project_name must be {question.allowed}.")
        answer(terminal, {"project_name": "zoo"})
        code, said = terminal.end()
    assert code == 0, said
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["zoo"]


def test_a_reserved_name_is_refused_at_the_end_and_nothing_is_written(
    ask: Ask, tmp_path: Path
) -> None:
    with ask(tmp_path / "made") as terminal:
        answer(terminal, {"project_name": "import"})
        code, said = terminal.end()
    assert code == 1
    assert "project_name must not be" in said
    assert list((tmp_path / "made").iterdir()) == []


def test_answers_that_contradict_each_other_are_printed_for_a_second_try(
    ask: Ask, renderer: Renderer, tmp_path: Path
) -> None:
    given = {"project_name": "zoo", "staging_catalog": "ml", "prod_catalog": "ml"}
    with ask(tmp_path / "made") as terminal:
        answer(terminal, given)
        code, said = terminal.end()
    assert code == 1
    assert "staging_catalog must differ from prod_catalog; change one of them" in said
    printed = json.loads(said[said.index("{\n") : said.rindex("}") + 1])
    assert printed.items() >= {**renderer.complete(given), "configure_targets": "no"}.items()
    (tmp_path / "answers.json").write_text(json.dumps({**printed, "staging_catalog": "ml2"}))
    with ask(tmp_path / "made", "--config-file", str(tmp_path / "answers.json")) as terminal:
        code, said = terminal.end()
    assert code == 0, said
    corrected = renderer.render({**given, "staging_catalog": "ml2"})
    assert compare(corrected, read_folder(tmp_path / "made")) == []


def test_cookiecutter_takes_the_answers_of_a_configuration(
    cookiecutter: Engine, renderer: Renderer, tmp_path: Path
) -> None:
    answers = SHAPES["like values of YAML"]
    # JSON is YAML.
    (tmp_path / "configuration.yml").write_text(json.dumps({"default_context": answers}))
    flags = ["--config-file", str(tmp_path / "configuration.yml")]
    flags += ["--output-dir", str(tmp_path / "made"), str(cookiecutter.template)]
    done = subprocess.run(
        [cookiecutter.program, "--no-input", *flags],
        env={"PATH": os.environ["PATH"], "HOME": str(cookiecutter.home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert compare(renderer.render(answers), read_folder(tmp_path / "made")) == []
