"""Which answers a project can be made of, and what is said of the others."""

import json
import keyword
import re
import shutil
import sys
from dataclasses import replace
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from conformance.tests.projects import Project
from scaffold.manifest import load_manifest
from scaffold.refusals import list_refusals
from scaffold.tests.rendering import Renderer
from scaffold.tests.repositories import Engine, read_project
from scaffold.trees import compare, read_folder, read_repository

NAME = re.compile("[a-z][a-z0-9_]{1,28}[a-z0-9]")

REFUSED = {
    "of two letters": ("project_name", "ab", "3 to 30 lower-case letters"),
    "of thirty-one letters": ("project_name", "a" * 31, "3 to 30 lower-case letters"),
    "with a capital": ("project_name", "Zoo", "3 to 30 lower-case letters"),
    "with a hyphen": ("project_name", "my-zoo", "3 to 30 lower-case letters"),
    "with a digit first": ("project_name", "7zoo", "3 to 30 lower-case letters"),
    "with an underscore last": ("project_name", "zoo_", "3 to 30 lower-case letters"),
    "with two underscores": ("project_name", "my__zoo", "3 to 30 lower-case letters"),
    "with a path": ("project_name", "../zoo", "3 to 30 lower-case letters"),
    "with a template token": ("project_name", "{{.zoo}}", "3 to 30 lower-case letters"),
    "with a line": ("project_name", "zoo\nzoo", "3 to 30 lower-case letters"),
    "with a line's end": ("project_name", "zoo\n", "3 to 30 lower-case letters"),
    "of Python": ("project_name", "import", "choose a longer one"),
    "of the standard library": ("project_name", "json", "choose a longer one"),
    "of a library": ("project_name", "pandas", "choose a longer one"),
    "of the laptop": ("project_name", "laptop", "choose a longer one"),
    "of a folder": ("project_name", "delivery", "choose a longer one"),
    "of a resource": ("project_name", "model_training", "choose a longer one"),
    "of a schema of Unity Catalog": ("project_name", "information_schema", "choose a longer one"),
    "without https": ("prod_host", "http://x.example.com", "https:// and a host name"),
    "with a quote behind it": ("staging_host", 'https://x.example.com/"', "https:// and a host"),
    "with a user before it": ("staging_host", "https://me@x.example.com", "https:// and a host"),
    "with a port": ("staging_host", "https://x.example.com:8443/", "https:// and a host name"),
    "that ends a string": ("readers", 'users" #', "letters, digits, blanks"),
    "that is no address": ("notification_email", "nobody", "name@host"),
    "of a principal, its name": ("prod_principal", "flight-delays-prod", "an application id"),
    "of a catalog with a hyphen": ("dev_catalog", "my-dev", "2 to 63 lower-case letters"),
    "of a catalog that there is": ("prod_catalog", "system", "choose a longer one"),
    "of a schema that there is": ("schema", "information_schema", "choose a longer one"),
    "of a schema that is SQL": ("schema", "select", "choose a longer one"),
    "of a branch with a blank": ("default_branch", "the main", "what git takes for a branch"),
    "of a branch like a range": ("release_branch", "a..b", "what git takes for a branch"),
    "of a branch like a lock": ("release_branch", "a.lock/b", "what git takes for a branch"),
    "of one branch for both": ("release_branch", "main", "must differ from release_branch"),
    "of one catalog for both": ("staging_catalog", "prod", "must differ from prod_catalog"),
}


each_refused = pytest.mark.parametrize(
    ("question", "answer", "message"),
    [pytest.param(*case, id=name.replace(" ", "-")) for name, case in REFUSED.items()],
)


@each_refused
def test_an_answer_is_refused_with_what_is_allowed_and_nothing_is_written(
    bundle: Engine, tmp_path: Path, question: str, answer: str, message: str
) -> None:
    check_refused(bundle, tmp_path, question, answer, message)


@pytest.mark.parametrize(
    "case", ["of two letters", "of Python", "that ends a string", "of one branch for both"]
)
def test_cookiecutter_refuses_what_the_cli_does(
    cookiecutter: Engine, tmp_path: Path, case: str
) -> None:
    check_refused(cookiecutter, tmp_path, *REFUSED[case])


def check_refused(engine: Engine, folder: Path, question: str, answer: str, message: str) -> None:
    done = engine.run(folder, {"project_name": "zoo", question: answer})
    assert done.returncode != 0
    assert question in done.stdout + done.stderr
    assert message in done.stdout + done.stderr
    assert read_project(folder) == {}


def test_names_of_python_and_of_what_is_installed_are_reserved(root: Path) -> None:
    manifest = load_manifest(root / "scaffold" / "manifest.toml")
    refusals = list_refusals(read_repository(root), manifest)
    names = {*sys.stdlib_module_names, *keyword.kwlist, *keyword.softkwlist}
    names |= {name.partition(".")[0] for name in packages_distributions()}
    names = {name for name in names if NAME.fullmatch(name)} - {"flight_delays"}
    own = [refusal for refusal in refusals if refusal.answer == "project_name"]
    free = {name for name in names if not any(r.applies({r.answer: name}) for r in own)}
    assert len(names) > 200
    assert free == set()


@pytest.mark.parametrize(
    "pasted",
    [
        "https://ADB-1.7.AzureDatabricks.net/",
        "https://adb-1.7.azuredatabricks.net/?o=123",
        "https://adb-1.7.azuredatabricks.net?o=123#job/1/run/2",
        "https://Adb-1.7.azuredatabricks.net/explore/data/prod/x?o=123",
        "https://adb-1.7.azuredatabricks.net#a?b/c",
    ],
)
def test_host_is_taken_as_a_browser_shows_it(
    engine: Engine, renderer: Renderer, tmp_path: Path, pasted: str
) -> None:
    answers = {"project_name": "zoo", "staging_host": pasted}
    project = engine.make(tmp_path, answers)
    host = "https://adb-1.7.azuredatabricks.net"
    assert f'host: "{host}"\n' in (project / "databricks.yml").read_text()
    record = json.loads((project / ".template-answers.json").read_text())
    assert record["staging_host"] == host
    assert compare(renderer.render(answers), read_folder(tmp_path)) == []


def test_cookiecutter_prints_the_answers_of_a_refusal_for_its_configuration(
    cookiecutter: Engine, tmp_path: Path
) -> None:
    done = cookiecutter.run(tmp_path, {"project_name": "zoo", "staging_catalog": "prod"})
    said = done.stdout + done.stderr
    printed = json.loads(said[said.index("{\n") : said.rindex("}\n") + 1])
    assert printed["default_context"]["staging_catalog"] == "prod"
    assert "cookiecutter --no-input --config-file answers.json" in said


def test_every_default_is_an_answer(engine: Engine, tmp_path: Path) -> None:
    project = engine.make(tmp_path, {})
    assert project.name == "my_mlops_project"
    record = json.loads((project / ".template-answers.json").read_text())
    assert record["notification_email"] == "my-mlops-project@example.com"


def test_answers_that_were_taken_and_the_next_commands_are_said_at_the_end(
    bundle: Engine, tmp_path: Path
) -> None:
    done = bundle.run(tmp_path, {"project_name": "zoo", "prod_hots": "https://x.example.com"})
    assert done.returncode == 0
    # The CLI takes a misspelt question in silence.
    assert "prod_host: https://prod.cloud.databricks.com\n" in done.stderr
    assert re.search(r"Next:\n  cd zoo\n  git init .*\n  make demo\n", done.stderr)


def test_a_second_project_of_the_same_name_is_refused_and_overwrites_nothing(
    engine: Engine, tmp_path: Path
) -> None:
    project = engine.make(tmp_path, {"project_name": "zoo"})
    (project / "README.md").write_text("Ours.\n")
    before = read_project(tmp_path)
    done = engine.run(tmp_path, {"project_name": "zoo", "readers": "others"})
    assert done.returncode != 0
    assert "already exist" in done.stdout + done.stderr
    assert read_project(tmp_path) == before


def test_a_project_stands_beside_what_a_repository_holds(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("Ours.\n")
    assert engine.run(tmp_path, {"project_name": "zoo"}).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "zoo"]
    assert (tmp_path / "README.md").read_text() == "Ours.\n"


def test_a_template_comes_from_a_git_url_at_a_tag(
    bundle: Engine, root: Path, tmp_path: Path
) -> None:
    released = Project(Path(shutil.copytree(root, tmp_path / "released")))
    released.commit("As released")
    released.git("tag", "v0.1.0")
    (released.root / "databricks_template_schema.json").write_text("later")
    released.commit("Later")
    home = tmp_path / "home"
    home.mkdir()
    mapped = f'[url "file://{released.root}"]\n\tinsteadOf = https://git.invalid/template\n'
    (home / ".gitconfig").write_text(mapped)
    engine = replace(bundle, template="https://git.invalid/template", home=home)
    (tmp_path / "made").mkdir()
    done = engine.run(tmp_path / "made", {"project_name": "zoo"}, "--tag", "v0.1.0")
    assert done.returncode == 0, done.stderr
    here = bundle.make(tmp_path / "here", {"project_name": "zoo"})
    assert read_project(tmp_path / "made" / "zoo") == read_project(here)
