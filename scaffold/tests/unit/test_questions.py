"""Questions as each engine asks them; an option offers its choices, the default first."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from scaffold.bundle_template import build_bundle_template, build_schema
from scaffold.compilation import Condition, Location, Part
from scaffold.cookiecutter_template import build_cookiecutter_template
from scaffold.manifest import Manifest, load_manifest
from scaffold.tokens import Text, Value

MANIFEST = Manifest.model_validate(
    {
        "sentinel": "flight_delays",
        "record": "record.json",
        "files": {},
        "questions": {
            "project_name": {"description": "Name", "pattern": "[a-z]+", "allowed": "letters"},
            "ci": {"description": "CI", "choices": ["azure", "github"], "default": "github"},
            "email": {"description": "Mail", "default": "flight-delays@example.com"},
        },
    }
)
ANSWERS = {"project_name": "flight_delays"}


def test_the_cli_is_given_patterns_choices_and_an_order() -> None:
    schema = json.loads(build_schema(MANIFEST, ANSWERS, "1.2.3").content)
    assert schema["min_databricks_cli_version"] == "v1.2.3"
    name, ci, email = schema["properties"].values()
    assert [name["order"], ci["order"], email["order"]] == [1, 2, 3]
    assert name["pattern"] == "^(?:[a-z]+)$"
    assert name["pattern_match_failure_message"] == "project_name must be letters."
    assert (ci["enum"], ci["default"], "pattern" in ci) == (["azure", "github"], "github", False)
    assert email["default"] == '{{(regexp "_").ReplaceAllString .project_name "-"}}@example.com'


def test_questions_behind_the_gate_are_skipped_unless_it_is_answered_by_yes() -> None:
    gate = {"name": "more", "description": "More?", "after": "project_name", "hint": "Later."}
    questions = {**MANIFEST.model_dump()["questions"]}
    questions["email"] = {**questions["email"], "hint": "Never."}
    manifest = Manifest.model_validate(
        {**MANIFEST.model_dump(), "gate": gate, "questions": questions}
    )
    properties = json.loads(build_schema(manifest, ANSWERS, "1.2.3").content)["properties"]
    assert list(properties) == ["project_name", "more", "ci", "email"]
    assert [one["order"] for one in properties.values()] == [1, 2, 3, 4]
    assert (properties["more"]["enum"], properties["more"]["default"]) == (["no", "yes"], "no")
    skipped = [one.get("skip_prompt_if") for one in properties.values()]
    closed = {"properties": {"more": {"const": "no"}}}
    assert skipped == [None, None, closed, closed]
    assert properties["ci"]["description"] == "\nLater.\nCI"
    assert properties["email"]["description"] == "\nNever.\nMail"
    tree = build_cookiecutter_template((), (), manifest, ANSWERS)
    assert "more" not in json.loads(tree["cookiecutter.json"].content)


@pytest.mark.parametrize(
    "wrong", [{"name": "ci"}, {"after": "none"}], ids=["another's name", "after no question"]
)
def test_gate_that_does_not_fit_the_questions_is_refused(wrong: dict[str, str]) -> None:
    gate = {"name": "more", "description": "More?", "after": "ci", "hint": "Later.", **wrong}
    with pytest.raises(ValidationError, match="gate needs a name of its own"):
        Manifest.model_validate({**MANIFEST.model_dump(), "gate": gate})


def test_cookiecutter_is_given_the_default_choice_first() -> None:
    tree = build_cookiecutter_template((), (), MANIFEST, ANSWERS)
    questions = json.loads(tree["cookiecutter.json"].content)
    asked = [name for name in questions if not name.startswith("_")]
    assert asked == ["project_name", "ci", "email"]
    assert questions["ci"] == ["github", "azure"]
    assert questions["__prompts__"]["email"] == "Mail"


def test_files_of_another_choice_are_left_out_under_the_name_that_was_given() -> None:
    name, azure, no = Value("project_name"), Condition("ci", ("azure",)), Condition("mono", ("no",))
    parts = (
        Part((Location((Text("src/"), name, Text("/ci/a.py")), (azure,)),), b"", False),
        Part((Location((Text("src/"), name, Text("/ci/b.py")), (azure,)),), b"", False),
        Part((Location((Text("src/"), name, Text("/c.py"))),), b"", False),
        Part(
            (Location((Text("d/e.yml"),), (azure, no)), Location((Text("../d/"), name))), b"", False
        ),
        Part((Location((Text("d/f.yml"),), (no,)),), b"", False),
    )
    preamble = build_bundle_template(parts, (), MANIFEST)["__preamble.tmpl"].content.decode()
    for asked, skips in (
        ('eq .ci "azure"', ["{{.project_name}}/src/{{.project_name}}/ci"]),
        ('or (and (eq .ci "azure") (eq .mono "no")) (eq .mono "no")', ["{{.project_name}}/d"]),
        ('and (eq .ci "azure") (eq .mono "no")', ["{{.project_name}}/d/e.yml"]),
        ('eq .mono "no"', ["{{.project_name}}/d/f.yml"]),
    ):
        written = "".join(f'{{{{skip "{path}"}}}}' for path in skips)
        assert f"{{{{if {asked}}}}}{{{{else}}}}{written}{{{{end}}}}\n" in preamble
    assert preamble.count("{{skip") == 5
    hooks = build_cookiecutter_template(parts, (), MANIFEST, ANSWERS)
    hook = hooks["hooks/post_gen_project.py"].content.decode()
    assert '[["src/{{cookiecutter.project_name}}/ci/a.py", [["ci", ["azure"]]]]]' in hook
    assert '["../d/{{cookiecutter.project_name}}", []]]' in hook


def test_the_cli_that_is_asked_for_is_the_one_the_bundle_and_the_tests_take(root: Path) -> None:
    schema = json.loads((root / "databricks_template_schema.json").read_text())
    pinned = re.search(r"databricks/cli (v\S+)", (root / "conformance" / "go.mod").read_text())
    assert pinned is not None
    assert schema["min_databricks_cli_version"] == pinned.group(1)


def test_own_answers_match_the_patterns_and_the_version_of_the_project(root: Path) -> None:
    manifest = load_manifest(root / "scaffold" / "manifest.toml")
    answers = json.loads((root / manifest.record).read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", answers["template_version"])
    for name, question in manifest.questions.items():
        assert re.fullmatch(question.pattern, answers[name]), name
        assert not question.choices or answers[name] in question.choices, name
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]["name"]
    assert project == answers["project_name"].replace("_", "-")
