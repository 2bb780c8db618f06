"""Repositories of templates with versions, and projects that were made of one."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.tests.commands import Result, find_program
from conformance.tests.projects import ROOT, Project
from scaffold.tests.repositories import Engine

MAKE = "run `make databricks-cli` (needs Go)"
RECORD = ".template-answers.json"
Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Template:
    """A template's repository, whose versions are tags."""

    repository: Project

    @property
    def root(self) -> Path:
        return self.repository.root

    def release(self, version: str) -> None:
        """Commit and tag everything."""
        self.repository.commit(version)
        self.repository.git("tag", f"v{version}")

    def write(
        self, version: str, files: Files, questions: Mapping[str, str], **schema: str
    ) -> None:
        """Replace everything by a small template, whose questions have these defaults."""
        shutil.rmtree(self.root / "template", ignore_errors=True)
        asked = {"project_name": "air", **questions}
        record = {"template_version": version, **{name: f"{{{{.{name}}}}}" for name in asked}}
        write_files(self.root / "template", files)
        write_files(
            self.root,
            {
                f"template/{{{{.project_name}}}}/{RECORD}.tmpl": json.dumps(record, indent=2)
                + "\n",
                "databricks_template_schema.json": json.dumps(
                    {
                        "properties": {
                            name: {"type": "string", "description": name, "default": default}
                            for name, default in asked.items()
                        },
                        **schema,
                    }
                ),
            },
        )
        self.release(version)

    def make(self, tag: str, folder: Path, **answers: str) -> Path:
        """Make a project of a version below a folder, and return its root."""
        self.repository.git("checkout", "--quiet", tag)
        home = self.root.parent / "home"
        home.mkdir(exist_ok=True)
        program = find_program("databricks", MAKE)
        done = Engine("bundle", program, self.root, home).run(folder, answers)
        assert done.returncode == 0, done.stderr
        return folder / answers["project_name"]


def write_files(folder: Path, files: Files) -> None:
    """Write files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def start_repository(root: Path) -> Project:
    """Make a folder Ann's git repository, with all that it holds committed on main."""
    project = Project(root)
    project.git("init", "--quiet", "--initial-branch", "main")
    project.git("config", "user.name", "Ann")
    project.git("config", "user.email", "ann@example.com")
    project.commit("A new project")
    return project


@dataclass(frozen=True)
class Command:
    """The command as a person has it who has no settings of git and of Databricks."""

    databricks: Path
    home: Path

    def __call__(
        self, project: Path, template: Path | str, to: str, *flags: str, **env: str
    ) -> Result:
        """Run it at a project's root; a failure is for the caller to judge."""
        command = [sys.executable, "-m", "project_update", "--template", str(template), "--to", to]
        done = subprocess.run(
            [*command, *flags],
            cwd=project,
            env={
                "PATH": os.pathsep.join((str(self.databricks.parent), os.environ["PATH"])),
                "PYTHONPATH": str(ROOT / "update" / "src"),
                "HOME": str(self.home),
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_SYSTEM": os.devnull,
                **env,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Result(" ".join(command), done.returncode, done.stdout, done.stderr)
