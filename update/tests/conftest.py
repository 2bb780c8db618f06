import json
import re
from pathlib import Path

import pytest

from conformance.tests.commands import find_program
from conformance.tests.projects import Project
from scaffold.templates import compile_templates, write_templates
from scaffold.tests.repositories import copy_repository
from update.tests.templates import MAKE, RECORD, Command, Template

PICTURE = "docs/picture.png"


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """This repository as v0.1.0, and as v0.2.0 with changes of every kind; not to be changed."""
    root = copy_repository(tmp_path_factory.mktemp("template"))
    (root / PICTURE).write_bytes(b"\0old")
    (root / "docs" / "old.md").write_text("Old.\n")
    template = Template(Project(root))
    write_version(root, "0.1.0")
    template.release("0.1.0")

    readme, agents = root / "scaffold/project/README.md", root / "AGENTS.md"
    readme.write_text(readme.read_text() + "\n## New\n\nAs the template has it.\n")
    agents.write_text("# As the template has it\n" + agents.read_text().partition("\n")[2])
    (root / PICTURE).write_bytes(b"\0new")
    (root / "docs" / "new.md").write_text("New.\n")
    (root / "docs" / "old.md").unlink()
    (root / "delivery" / "plan.py").chmod(0o755)
    for path in ("laptop/pyproject.toml", "uv.lock"):
        numbered = re.compile(r'(^name = "laptop"\nversion = )".*"', re.MULTILINE)
        (root / path).write_text(numbered.sub(r'\1"9.0.0"', (root / path).read_text()))
    manifest = root / "scaffold" / "manifest.toml"
    text = manifest.read_text()
    assert text.count("\n[[file_conditions]]\n") > 1
    asked = '\n[questions.motto]\ndescription = "Motto"\npattern = "[a-z]+"\nallowed = "letters"\n'
    manifest.write_text(
        text.replace("\n[[file_conditions]]\n", f"{asked}\n[[file_conditions]]\n", 1)
    )
    write_version(root, "0.2.0", motto="none")
    template.release("0.2.0")
    return template


def write_version(root: Path, version: str, **answers: str) -> None:
    record = json.loads((root / RECORD).read_text())
    text = json.dumps({**record, "template_version": version, **answers}, indent=2)
    (root / RECORD).write_text(text + "\n")
    Project(root).git("add", "--all")
    write_templates(compile_templates(root), root)


@pytest.fixture
def small(tmp_path: Path) -> Template:
    """A repository for small templates, without a version."""
    (tmp_path / "template").mkdir()
    repository = Project(tmp_path / "template")
    repository.git("init", "--quiet", "--initial-branch", "main")
    return Template(repository)


@pytest.fixture
def update(tmp_path: Path) -> Command:
    """The command that is tested."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return Command(find_program("databricks", MAKE), home)
