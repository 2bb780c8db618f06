"""What comes out of both templates, made by the programs that people use."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scaffold.manifest import load_answers, load_manifest
from scaffold.substitutions import read_substitution
from scaffold.tests.repositories import Engine, Render, add_all, list_files, read_project
from scaffold.tokens import Value

# What this repository has and no project; written here once more, by hand.
STAY = re.compile(
    r"(\.ci|benchmarks|conformance|laptop|scaffold|template|tests/framework|update)/"
    r"|(\.gitattributes|(CHANGELOG|CONTRIBUTING|SECURITY)\.md|LICENSE|ruff\.toml)$"
    r"|\.github/workflows/nightly\.yml$"
    r"|databricks_template_schema\.json$"
)
STAYING = re.compile(
    r"conformance/|scaffold|benchmarks/|make databricks-cli|(?<![.\w])laptop/"
    r"|tests/framework|update/|update-project"
)
# What a project has of the laptop, and where it says so; see test_vendoring.py.
VENDORED = re.compile(r"vendor/(README\.md|laptop-[\d.]+-py3-none-any\.whl)")
NAMING = ["pyproject.toml", "uv.lock"]
# Rendered in place of the root's files of the same paths.
OVERLAY = "scaffold/project/"
OVERLAID = {"README.md"}
# Rendered with choices other than the root's.
CHOSEN = {"docs/cicd-other.md", "docs/monorepo.md"}
RECORD = ".template-answers.json"
SENTINEL = re.compile(rb"flight[ _-]?delays", re.IGNORECASE)
TOKENS = re.compile(rb"\{\{[.\"]|\(regexp|\{\{ ?cookiecutter|\{%|\{#|__preamble")
# Marker lines, and comments after an else: written here once more, by hand.
MARKER = rb"^[ \t]*(?:#|<!--|%%%%) \[(?:%s)\](?: -->)?\n"
ROOT = re.compile(MARKER % rb"root" + rb"(?s:.*?)" + MARKER % rb"end", re.MULTILINE)
ELSE = re.compile(MARKER % rb"else" + rb"(?s:.*?)(?=" + MARKER % rb"end" + rb")", re.MULTILINE)
MARKERS = re.compile(MARKER % rb"option: [^\]]*|end", re.MULTILINE)

# Three letters and thirty, before and after `laptop`, `tests` and `delivery` in the alphabet.
NAMES = ("air", "zoo", "a_name_that_has_thirty_letters", "zebra_of_thirty_letters_in_all")
each_name = pytest.mark.parametrize("name", NAMES)
STRANGE = {
    "project_name": "qx7_late",
    "ci_platform": "gitlab",
    "serving": "no",
    "monorepo": "no",
    "streaming": "yes",
    "staging_host": "https://adb-1234567890123456.7.azuredatabricks.net",
    "prod_host": "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com",
    "staging_principal": "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
    "prod_principal": "9f8e7d6c-5b4a-3928-1706-f5e4d3c2b1a0",
    "dev_catalog": "ml_sandbox",
    "staging_catalog": "ml_acceptance",
    "prod_catalog": "ml",
    "schema": "late_arrivals",
    "default_branch": "trunk/next",
    "release_branch": "live-1.x",
    "readers": "Data Science - EMEA",
    "notification_email": "on-call+ml@example.org",
}


def test_own_answers_render_the_root_without_its_markers_byte_for_byte(
    engine: Engine, root: Path, tmp_path: Path
) -> None:
    answers = json.loads((root / RECORD).read_text())
    del answers["template_version"]
    project = engine.make(tmp_path, answers)
    standing, known = read_project(root), set(list_files(root))
    expected = {
        name: (MARKERS.sub(b"", ELSE.sub(b"", ROOT.sub(b"", content))), executable)
        for name, (content, executable) in standing.items()
        if name in known and not STAY.match(name) and name not in OVERLAID
    }
    overlay = {name.removeprefix(OVERLAY) for name in known if name.startswith(OVERLAY)}
    assert overlay == OVERLAID | CHOSEN
    made = {
        name: file for name, file in read_project(project).items() if not VENDORED.fullmatch(name)
    }
    assert made.keys() == expected.keys() | OVERLAID
    assert sorted(name for name in expected if made[name] != expected[name]) == NAMING
    assert {name for name, (_, executable) in made.items() if executable} == {"demo.sh"}


@pytest.mark.parametrize("answers", [{}, STRANGE], ids=["defaults", "strange"])
def test_both_engines_render_the_same_bytes(
    bundle: Engine, cookiecutter: Engine, tmp_path: Path, answers: dict[str, str]
) -> None:
    one = bundle.make(tmp_path / "bundle", answers)
    other = cookiecutter.make(tmp_path / "cookiecutter", answers)
    assert one.name == other.name
    assert read_project(one) == read_project(other)


@each_name
def test_a_strange_name_leaves_no_sentinel_and_no_token(
    render: Render, root: Path, name: str
) -> None:
    made = read_project(render(name))
    sources = {
        path.removeprefix(OVERLAY).replace("flight_delays", name): path
        for path in sorted(list_files(root), key=lambda path: path.startswith(OVERLAY))
    }
    assert len(made) > 150
    assert f"src/{name}/__init__.py" in made
    for path, (content, _) in made.items():
        if VENDORED.fullmatch(path):
            continue
        assert not SENTINEL.search(path.encode())
        assert not SENTINEL.search(content), path
        # Some code speaks of references in braces itself.
        own = (root / sources[path]).read_bytes()
        assert TOKENS.findall(content) == TOKENS.findall(own), path


def test_an_answer_stands_where_the_manifest_says_and_in_the_record(
    bundle: Engine, root: Path, tmp_path: Path
) -> None:
    project = bundle.make(tmp_path, STRANGE)
    record = json.loads((project / RECORD).read_text())
    version = json.loads((root / RECORD).read_text())["template_version"]
    assert record == {"template_version": version, **STRANGE}
    declared = yaml.safe_load((project / "databricks.yml").read_text())
    targets = declared["targets"]
    assert [targets[name]["workspace"]["host"] for name in ("test", "staging", "prod")] == [
        STRANGE["staging_host"], STRANGE["staging_host"], STRANGE["prod_host"],
    ]  # fmt: skip
    defaults = {name: value.get("default") for name, value in declared["variables"].items()}
    for name in ("readers", "notification_email", "schema"):
        assert defaults[name] == STRANGE[name]
    assert defaults["catalog"] == STRANGE["dev_catalog"]
    assert targets["test"]["variables"]["catalog"] == STRANGE["staging_catalog"]
    for stage, branch in (("staging", "default_branch"), ("prod", "release_branch")):
        variables = targets[stage]["variables"]
        assert variables["catalog"] == STRANGE[f"{stage}_catalog"]
        assert variables["service_principal"] == STRANGE[f"{stage}_principal"]
        assert targets[stage]["git"]["branch"] == STRANGE[branch]
    assert (project / "README.md").read_text().startswith("# Qx7 late\n")
    assert 'name = "qx7-late"' in (project / "pyproject.toml").read_text()


def test_no_answer_of_this_repository_is_left_in_any_file(
    bundle: Engine, root: Path, tmp_path: Path
) -> None:
    project = bundle.make(tmp_path, {**STRANGE, "ci_platform": "all"})
    own = load_manifest(root / "scaffold" / "manifest.toml")
    answers = load_answers(root, own)
    written = [text for texts in own.substitutions.values() for text in texts]
    substitutions = [read_substitution(text, answers, own.values, own.forms) for text in written]
    texts = {one.text for one in substitutions if any(isinstance(t, Value) for t in one.tokens)}
    assert len(texts) > 40
    left = {
        (path, text)
        for path, (content, _) in read_project(project).items()
        for text in texts
        if not VENDORED.fullmatch(path) and text.encode() in content
    }
    assert left == set()


def test_references_of_jobs_and_workflows_arrive_whole(render: Render) -> None:
    project = render("zoo")
    job = (project / "resources" / "model_training.job.yml").read_text()
    assert '- "--model_uri={{tasks.train.values.model_uri}}"' in job
    assert (
        "- --target=${resources.schemas.zoo.id}"
        in (project / "resources" / "feature_refresh.job.yml").read_text()
    )
    workflow = (project / ".github" / "workflows" / "pull_request.yml").read_text()
    assert "${{ github.event.pull_request.number }}" in workflow


@pytest.mark.parametrize("name", NAMES)
def test_formatter_and_linter_find_nothing_to_do(bundle: Engine, tmp_path: Path, name: str) -> None:
    project = bundle.make(tmp_path, {"project_name": name})
    add_all(project)
    ruff = [sys.executable, "-m", "ruff"]
    for command in ([*ruff, "format", "--check"], [*ruff, "check"]):
        done = subprocess.run([*command, "."], cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@each_name
def test_the_lock_file_fits_the_name(render: Render, name: str) -> None:
    uv = os.environ.get("UV", "uv")
    command = [uv, "lock", "--check", "--offline"]
    done = subprocess.run(command, cwd=render(name), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_files_have_names_and_line_ends_that_every_system_takes(render: Render, root: Path) -> None:
    made = read_project(render("zebra_of_thirty_letters_in_all"))
    paths = list(made)
    template = [f"template/{path}" for path in read_project(root / "template")]
    assert max(map(len, paths)) <= 120
    for path in [*paths, *template]:
        for part in path.split("/"):
            assert not re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$', part), path
            assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", part), path
    assert len({path.lower() for path in paths}) == len(paths)
    for path, (content, _) in made.items():
        assert b"\r" not in content or b"\0" in content, path


def test_no_document_speaks_of_a_file_that_stays(render: Render) -> None:
    project = render("zoo")
    documents = [*project.glob("*.md"), *project.glob("docs/*.md"), *project.glob("vendor/*.md")]
    assert len(documents) >= 6
    for document in documents:
        text = document.read_text()
        links = [one for one in re.findall(r"\]\(([^)#]+)", text) if "://" not in one]
        assert [one for one in links if not (document.parent / one).exists()] == []
        assert STAYING.findall(text) == [], document
