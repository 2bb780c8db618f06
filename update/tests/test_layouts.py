"""Projects that are a folder of a repository, whose files stand beside it too."""

from pathlib import Path

import pytest

from conformance.tests.projects import Project
from update.tests.templates import Command, Template, start_repository, write_files

PROJECT = "{{.project_name}}"
STEPS = "".join(f"step {number}\n" for number in range(20))
WORKFLOW = ".github/workflows/{{.project_name}}_test.yml"


@pytest.fixture
def template(small: Template) -> Template:
    """A template that writes beside the project, too."""
    files = {f"{PROJECT}/steps.txt": STEPS, f"{PROJECT}/keep.txt": "keep\n", WORKFLOW: STEPS}
    small.write("0.1.0", files, {})
    new = {**files, f"{PROJECT}/steps.txt": STEPS + "new\n", WORKFLOW: f"new\n{STEPS}"}
    small.write("0.2.0", {**new, ".github/new.yml": "new\n"}, {})
    return small


@pytest.fixture
def repository(template: Template, tmp_path: Path) -> Project:
    """Three projects of v0.1.0 below `ml/`, each with a workflow beside them."""
    for name in ("air", "bay", "zoo"):
        template.make("v0.1.0", tmp_path / "repository" / "ml", project_name=name)
    write_files(tmp_path / "repository", {"README.md": "All of ours.\n", "ml/notes.txt": "notes\n"})
    return start_repository(tmp_path / "repository")


def list_changes(repository: Project) -> list[str]:
    return repository.git("diff", "--name-status", "main", "HEAD").splitlines()


def test_a_folder_of_a_repository_is_updated_with_what_stands_beside_it(
    repository: Project, template: Template, update: Command
) -> None:
    update(repository.root / "ml" / "zoo", template.root, "v0.2.0").succeed()
    changes = [
        "A\tml/.github/new.yml",
        "M\tml/.github/workflows/zoo_test.yml",
        "M\tml/zoo/.template-answers.json",
        "M\tml/zoo/steps.txt",
    ]
    assert list_changes(repository) == changes
    assert repository.git("status", "--porcelain") == ""


def test_what_is_deleted_or_moved_in_a_project_is_not_looked_for_in_its_neighbours(
    repository: Project, template: Template, update: Command
) -> None:
    repository.git("rm", "--quiet", "ml/zoo/steps.txt")
    repository.git("mv", "ml/.github", ".github")
    repository.git("mv", "ml/zoo", "menagerie")
    repository.git("mv", "ml/air", "air")
    repository.commit("Ours")
    done = update(repository.root / "menagerie", template.root, "v0.2.0")
    assert done.code == 1
    unmerged = repository.git("diff", "--name-only", "--diff-filter=U").split()
    assert unmerged == ["menagerie/steps.txt"]
    staged = repository.git("diff", "--name-only", "--cached", "--diff-filter=AM").split()
    assert "menagerie/.template-answers.json" in staged
    assert [path for path in staged if "air" in path or "bay" in path] == []


def test_projects_of_one_repository_are_updated_one_after_the_other(
    repository: Project, template: Template, update: Command
) -> None:
    for name in ("air", "bay"):
        update(repository.root / "ml" / name, template.root, "v0.2.0")
        repository.git("switch", "--quiet", "main")
    branches = repository.git("branch", "--format=%(refname:short)").split()
    assert branches == ["air-template-v0.2.0", "bay-template-v0.2.0", "main"]


def test_a_file_that_the_team_has_where_the_template_puts_one_is_a_conflict(
    repository: Project, template: Template, update: Command
) -> None:
    write_files(repository.root, {"ml/.github/new.yml": "ours\n"})
    repository.commit("Ours")
    done = update(repository.root / "ml" / "bay", template.root, "v0.2.0")
    assert done.code == 1
    assert repository.git("status", "--porcelain", "ml/.github/new.yml").startswith("AA ")


def test_files_beside_a_project_that_is_the_repository_are_refused(
    template: Template, update: Command, tmp_path: Path
) -> None:
    project = start_repository(template.make("v0.1.0", tmp_path / "alone", project_name="air"))
    done = update(project.root, template.root, "v0.2.0")
    assert done.code == 2
    assert "The template writes .github/" in done.err
    assert project.git("branch", "--format=%(refname:short)") == "main\n"
