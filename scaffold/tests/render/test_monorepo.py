"""Three projects in one repository, added one after another, on each platform of CI."""

import re
from pathlib import Path

import pytest

from conformance.tests.commands import find_program
from scaffold.tests.monorepos import NAMES, WORKFLOWS, Repository, add_project, run
from scaffold.tests.repositories import Engine, check_pipelines, read_project

CHOICES = ("github", "azure", "gitlab", "none", "all")
# What a project of a repository of its own has and one beside others has not.
LEFT_OUT = {
    ".github/dependabot.yml",
    ".pre-commit-config.yaml",
    *(f".github/workflows/{name}.yml" for name in WORKFLOWS),
}
# What it has beside them.
PAGE = "docs/monorepo.md"
# The only files that differ, apart from the record and docs/cicd.md.
_GITHUB = {"Makefile", "docs/cicd-github.md"}
_AZURE = {"azure-pipelines.yml", "docs/cicd-azure.md"}
CHANGED = {
    "github": _GITHUB,
    "azure": _AZURE,
    "gitlab": {".gitlab-ci.yml"},
    "none": set[str](),
    "all": _GITHUB | _AZURE | {".gitlab-ci.yml"},
}

WORDS = {
    "github": re.compile(r"(?i)github|\bgh |dependabot"),
    "azure": re.compile(r"(?i)azure|\baz "),
    "gitlab": re.compile(r"(?i)gitlab|\bglab "),
}
MARKER = re.compile(rb"\[(option\b.*|root|else|end)\]( -->)?$", re.MULTILINE)

each_choice = pytest.mark.parametrize("choice", CHOICES)
each_name = pytest.mark.parametrize("name", NAMES)


@each_choice
def test_each_project_keeps_to_its_folder_and_to_workflows_of_its_name(
    repository: Repository, bundle: Engine, tmp_path: Path, choice: str
) -> None:
    made = read_project(repository(choice))
    alone = read_project(bundle.make(tmp_path, {"project_name": "zoo", "ci_platform": choice}))
    expected = {"README.md"} | {f"zoo/{path}" for path in (alone.keys() | {PAGE}) - LEFT_OUT}
    if choice in ("github", "all"):
        expected |= {f".github/workflows/{n}.{one}.yml" for n in NAMES for one in WORKFLOWS}
    assert {path for path in made if path.partition("/")[0] not in {"air", NAMES[2]}} == expected
    changed = {path for path in alone if made.get(f"zoo/{path}") not in (alone[path], None)}
    assert changed == CHANGED[choice] | {".template-answers.json", "docs/cicd.md"}
    folders = [path for path in repository(choice).rglob("*") if path.is_dir()]
    assert [f for f in folders if ".git" not in f.parts and not any(f.iterdir())] == []


@each_choice
def test_documents_are_whole_and_speak_of_the_platform_that_was_chosen(
    repository: Repository, choice: str
) -> None:
    for path, (content, _) in read_project(repository(choice)).items():
        assert path.endswith(".py") or MARKER.findall(content) == [], path
    for page in ("docs/cicd.md", PAGE):
        text = (repository(choice) / "zoo" / page).read_text()
        assert "\n\n\n" not in text
        assert "<!--" not in text
        spoken = {platform for platform, words in WORDS.items() if words.search(text)}
        assert spoken == {platform for platform in WORDS if choice in (platform, "all")}


def test_cookiecutter_adds_the_same(
    repository: Repository, cookiecutter: Engine, tmp_path: Path
) -> None:
    (tmp_path / "README.md").write_text("Ours.\n")
    for name in NAMES:
        add_project(cookiecutter, tmp_path, name, "all")
    assert read_project(tmp_path) == read_project(repository("all"))


def test_a_workflow_that_stands_is_not_overwritten_and_nothing_else_is_written(
    engine: Engine, tmp_path: Path
) -> None:
    standing = tmp_path / ".github" / "workflows" / "zoo.staging.yml"
    standing.parent.mkdir(parents=True)
    standing.write_text("ours\n")
    answers = {"project_name": "zoo", "monorepo": "yes"}
    done = engine.run(tmp_path, answers)
    assert done.returncode != 0
    assert ".github/workflows/zoo.staging.yml" in done.stdout + done.stderr
    assert "already exist" in done.stdout + done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [standing]
    assert not (tmp_path / "zoo").exists()
    # On another platform it is nobody's concern.
    assert engine.run(tmp_path, {**answers, "ci_platform": "gitlab"}).returncode == 0
    assert standing.read_text() == "ours\n"


@pytest.mark.parametrize("choice", ["github", "azure", "all"])
def test_the_next_commands_are_those_of_a_repository_that_stands(
    bundle: Engine, tmp_path: Path, choice: str
) -> None:
    answers = {"project_name": "zoo", "ci_platform": choice, "monorepo": "yes"}
    done = bundle.run(tmp_path, answers)
    added = "zoo" if choice == "azure" else "zoo .github"
    said = f"Next:\n  git add {added} && git commit --message 'Add zoo'\n  cd zoo\n  make demo\n"
    assert said in done.stderr
    assert "git init" not in done.stderr


def test_linters_find_nothing_in_the_workflows_of_all(repository: Repository) -> None:
    made = repository("all")
    program = find_program("actionlint", "run `make actionlint` (needs Go)")
    run([str(program)], made)
    run(["zizmor", "--offline", "--quiet", "--persona", "pedantic", ".github"], made)


@each_name
def test_the_linters_of_a_project_read_its_own_pipelines(repository: Repository, name: str) -> None:
    makefile = (repository("all") / name / "Makefile").read_text()
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    commands = re.findall(r"\t@\$\(RUN\) ((?:zizmor|check-jsonschema) .*)\n", recipe.group(1))
    assert len(commands) == 4
    for command in commands:
        run(["sh", "-c", command], repository("all") / name)
    shown = run(["sh", "-c", f"echo {commands[0]}"], repository("all") / name).split()
    assert shown[-3:] == [f"../.github/workflows/{name}.{one}.yml" for one in WORKFLOWS]


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("all", NAMES[2]),
        *(
            pytest.param(choice, name, marks=pytest.mark.nightly)
            for choice, name in (
                ("github", "air"),
                ("azure", "zoo"),
                ("gitlab", "zoo"),
                ("all", "air"),
                ("all", "zoo"),
            )
        ),
    ],
)
def test_tests_of_pipelines_pass_in_each_project(
    repository: Repository, choice: str, name: str
) -> None:
    tests = ["unit/test_pipelines.py"]
    tests += ["unit/test_workflows.py"] if choice in ("github", "all") else []
    check_pipelines(repository(choice) / name, *tests)
