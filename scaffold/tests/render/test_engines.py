"""Tokens written for Go and for Jinja render the same bytes, whatever the text looks like."""

import json
from pathlib import Path

import pytest

from scaffold.engines import Go, Jinja, write
from scaffold.tests.repositories import Engine
from scaffold.tokens import NAME_FORMS, Form, If, Text, Tokens, Value

NAME = Value("project_name")
BRACES = (
    "{",
    "{{",
    "{{{",
    "{{{{",
    "}",
    "}}",
    "}}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{{%",
    "{{#",
    "{{-",
    "-}}",
)
STRINGS = "\"a\" 'b' `c` \\n {{ `x` }} \\{{\n"
ANSWERS = {
    "project_name": "late_arrivals_2",
    "serving": "no",
    "host": "https://A-1.Example.com/x?o=1#b/c",
    "bare": "https://a.b?o=1/2",
}

# What a render of these answers holds.
CASES: dict[str, tuple[Tokens, str]] = {
    "braces": (
        tuple(token for text in BRACES for token in (NAME, Text(text), NAME)),
        "".join(f"late_arrivals_2{text}late_arrivals_2" for text in BRACES),
    ),
    "braces alone": (
        tuple(Text(f" {text}\n") for text in BRACES),
        "".join(f" {t}\n" for t in BRACES),
    ),
    "references": (
        (Text('a: "{{job.parameters.x}}"\nb: ${{ github.ref }}\nc: ${'), NAME, Text("}\n")),
        'a: "{{job.parameters.x}}"\nb: ${{ github.ref }}\nc: ${late_arrivals_2}\n',
    ),
    "forms": (
        tuple(Value("project_name", form) for form in NAME_FORMS),
        "late_arrivals_2late-arrivals-2Late arrivals 2",
    ),
    "hosts": (
        tuple(Value(answer, Form.HOST) for answer in ("host", "bare")),
        "https://a-1.example.comhttps://a.b",
    ),
    "strings": (
        (Text("\"a\" 'b' `c` \\n {{ `x` }} \\{{\n"),),
        "\"a\" 'b' `c` \\n {{ `x` }} \\{{\n",
    ),
    "blanks at both ends": (
        (Text("\n\n {{- x -}} \n\n"), NAME, Text("\n\n")),
        "\n\n {{- x -}} \n\nlate_arrivals_2\n\n",
    ),
    "a choice": (
        (
            Text("a{"),
            If("serving", ("yes",), (Text("b\n"),), (Text("{c}"), NAME)),
            If("serving", ("no",), (If("serving", ("yes",), (Text("d"),)), Text("{"))),
            If("serving", ("yes",), (Text("e"),)),
            If("serving", ("maybe", "no"), (Text("f"),), (Text("g"),)),
            If("serving", ("yes", "maybe"), (Text("h"),), (Text("i"),)),
            Text("{\n"),
        ),
        "a{{c}late_arrivals_2{fi{\n",
    ),
}


def test_go_renders_what_the_tokens_say(bundle: Engine, tmp_path: Path) -> None:
    template, folder = tmp_path / "given", tmp_path / "made"
    (template / "template").mkdir(parents=True)
    for number, (tokens, _) in enumerate(CASES.values()):
        (template / "template" / f"{number}.tmpl").write_text(write(tokens, Go()))
    question = {"type": "string", "description": "x"}
    schema = {"properties": dict.fromkeys(ANSWERS, question)}
    (template / "databricks_template_schema.json").write_text(json.dumps(schema))
    engine = Engine("bundle", bundle.program, template, bundle.home)
    done = engine.run(folder, ANSWERS)
    assert done.returncode == 0, done.stderr
    made = {int(path.name): path.read_bytes() for path in folder.iterdir()}
    for number, (name, (_, text)) in enumerate(CASES.items()):
        assert made[number] == text.encode(), name


def test_jinja_renders_what_the_tokens_say(cookiecutter: Engine, tmp_path: Path) -> None:
    template, folder = tmp_path / "given", tmp_path / "made"
    (template / "{{cookiecutter.project_name}}").mkdir(parents=True)
    for number, (tokens, _) in enumerate(CASES.values()):
        path = template / "{{cookiecutter.project_name}}" / str(number)
        path.write_text(write(tokens, Jinja()))
    (template / "cookiecutter.json").write_text(json.dumps(ANSWERS))
    engine = Engine("cookiecutter", cookiecutter.program, template, cookiecutter.home)
    made = {int(path.name): path.read_bytes() for path in engine.make(folder, {}).iterdir()}
    for number, (name, (_, text)) in enumerate(CASES.items()):
        assert made[number] == text.encode(), name


@pytest.mark.parametrize("form", Form)
def test_a_form_is_spelled_as_the_engines_do(form: Form) -> None:
    spelled = {Form.SNAKE: "late_2", Form.KEBAB: "late-2", Form.TITLE: "Late 2"}
    assert form.spell("late_2") == spelled.get(form, "late_2")
    for answer, host in (("host", "https://a-1.example.com"), ("bare", "https://a.b")):
        assert Form.HOST.spell(ANSWERS[answer]) == host
