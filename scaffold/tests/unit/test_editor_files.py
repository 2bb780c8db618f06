"""Files for editors and for pre-commit, as a project has them."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from scaffold.tests.rendering import Renderer
from scaffold.trees import write_tree

CHOICES = ("github", "azure", "gitlab", "none", "all")
RUN = "uv run --no-sync "


def make_project(renderer: Renderer, folder: Path, platform: str) -> Path:
    """Make a project below a folder, and return its root."""
    answers = {"project_name": "zoo", "ci_platform": platform}
    write_tree(renderer.render(answers), folder)
    return folder / "zoo"


@pytest.mark.parametrize("platform", CHOICES)
def test_hooks_of_pre_commit_are_the_commands_of_make_lint(
    renderer: Renderer, tmp_path: Path, platform: str
) -> None:
    project = make_project(renderer, tmp_path, platform)
    made = subprocess.run(
        ["make", "--dry-run", "--silent", "-o", "setup", "lint", f"RUN={RUN.strip()}"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    commands = [line for line in made.stdout.splitlines() if line.startswith(RUN)]
    declared = yaml.safe_load((project / ".pre-commit-config.yaml").read_text())
    (repository,) = declared["repos"]
    hooks = [hook["entry"] for hook in repository["hooks"]]
    assert len(commands) >= 3
    # A hook may leave out the paths, which pre-commit or pyproject.toml adds.
    assert len(hooks) == len(commands)
    assert [
        one for one, hook in zip(commands, hooks, strict=True) if not one.startswith(hook)
    ] == []


def test_claude_and_the_editor_find_what_they_are_pointed_to(
    renderer: Renderer, tmp_path: Path
) -> None:
    project = make_project(renderer, tmp_path, "none")
    assert "@AGENTS.md" in (project / "CLAUDE.md").read_text()
    assert (project / "AGENTS.md").exists()
    settings = json.loads((project / ".vscode" / "settings.json").read_text())
    stub = project / settings["python.analysis.stubPath"] / "__builtins__.pyi"
    assert "spark: SparkSession\n" in stub.read_text()
