"""Versions of the template, and their renders."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import ProgramError, UpdateError
from .programs import run
from .record import NAME, Record, read_record

# The CLI requires a workspace but sends no requests to it.
NOWHERE = {
    "DATABRICKS_HOST": "https://workspace.invalid",
    "DATABRICKS_TOKEN": "dummy",
    "DATABRICKS_AUTH_TYPE": "pat",
    "DATABRICKS_CONFIG_FILE": os.devnull,
}


@dataclass(frozen=True)
class Render:
    """A rendered version of the template.

    Attributes:
        folder: Contains the project's folder and files next to it.
        record: Record of the rendered project.
    """

    folder: Path
    record: Record


@dataclass(frozen=True)
class Template:
    """The template's repository, by address or path, and a folder for its renders."""

    address: str
    scratch: Path

    def check_tags(self, *tags: str) -> None:
        """Check that tags exist.

        Raises:
            UpdateError: A tag is missing, or the repository cannot be read.
        """
        try:
            listed = run(["git", "ls-remote", "--tags", "--refs", "--", self.address], self.scratch)
        except ProgramError as error:
            what = f"git cannot read the template {self.address}: {error.said}"
            raise UpdateError(what, "Give the address or the path of its repository.") from error
        known = [line.partition("refs/tags/")[2] for line in listed.splitlines()]
        for tag in tags:
            if tag not in known:
                raise UpdateError(
                    f"The template {self.address} has no tag {tag}; it has "
                    f"{', '.join(known) or 'none'}.",
                    "Name one of them, or tag the commit that the project was made of.",
                )

    def render(self, tag: str, answers: Mapping[str, str], side: str) -> Render:
        """Render a project from one version.

        Args:
            tag: Git tag of the version.
            answers: Answers to its questions; missing ones take their default.
            side: Unique name of this render within the update.

        Raises:
            UpdateError: The CLI is missing or fails, or the version differs from its tag.
        """
        source, made = self.scratch / side / "template", self.scratch / side / "made"
        self._check_out(tag, source)
        asked = self.scratch / side / "answers.json"
        asked.write_text(json.dumps(answers), encoding="utf-8")
        program = shutil.which("databricks")
        if program is None:
            what = "There is no `databricks` on the PATH, which renders the template."
            raise UpdateError(what, "Install the Databricks CLI and run the command again.")
        own = {key: one for key, one in os.environ.items() if not key.startswith("DATABRICKS_")}
        command = [program, "bundle", "init", str(source)]
        command += ["--output-dir", str(made), "--config-file", str(asked)]
        try:
            run(command, self.scratch, environment={**own, **NOWHERE})
        except ProgramError as error:
            what = f"The Databricks CLI does not render {tag} of the template: {error.said}"
            raise UpdateError(what, "Nothing was changed.") from error
        record = read_record(made / answers[NAME])
        if record.tag != tag:
            what = f"The tag {tag} of the template holds the version {record.version}."
            raise UpdateError(what, "Tell those who keep the template.")
        return Render(made, record)

    def _check_out(self, tag: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        fetch = ["git", "fetch", "--quiet", "--depth", "1", "--", self.address]
        run(["git", "init", "--quiet"], folder)
        run([*fetch, f"refs/tags/{tag}:refs/tags/{tag}"], folder)
        run(["git", "-c", "core.autocrlf=false", "checkout", "--quiet", f"tags/{tag}"], folder)
