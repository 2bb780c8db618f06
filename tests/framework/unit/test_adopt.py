"""`make adopt` writes the newest tuning's best values to conf/model.yml, or reports why not."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from flight_delays.config.loading import load_configuration, read_configuration
from flight_delays.config.tuning import (
    MODEL_FILE,
    load_tuning,
    replace_hyperparameters,
    write_hyperparameters,
    write_patch,
)
from flight_delays.problem import PROBLEM

from tests.declared import ROOT

REVIEWED = load_configuration("model", PROBLEM.hyperparameters)
CURRENT = read_configuration("model")
# One end of each search range.
BEST = replace_hyperparameters(
    REVIEWED, {name: each.low for name, each in load_tuning(REVIEWED).search.items()}
)
PROPOSED = write_hyperparameters(CURRENT, BEST)


@dataclass(frozen=True)
class Project:
    """A project in a repository, with the files that `make adopt` needs."""

    root: Path

    @property
    def model(self) -> str:
        return (self.root / MODEL_FILE).read_text()

    def tune(self, run: str, seconds: int, patch: str) -> None:
        """Write the results of a tuning at a time; without an improvement there is no patch."""
        folder = self.root / ".laptop" / "artifacts" / "1" / run / "artifacts" / "tuning"
        folder.mkdir(parents=True)
        (folder / "model.yml").write_text(PROPOSED)
        if patch:
            (folder / "model.diff").write_text(patch)
        os.utime(folder, (seconds, seconds))

    def adopt(self) -> tuple[int, str]:
        """Return the exit status of `make adopt` and what it printed."""
        done = subprocess.run(
            ["make", "--silent", "adopt"],
            cwd=self.root,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout


@pytest.fixture(params=[".", "projects/ours"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """Return a project at the root of its repository, or in a folder of it."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    root = tmp_path / request.param
    (root / MODEL_FILE).parent.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", root)
    (root / MODEL_FILE).write_text(CURRENT)
    return Project(root)


def test_the_newest_winner_is_put_into_the_file(project: Project) -> None:
    project.tune("b", 1000, "")
    project.tune("a", 2000, write_patch(CURRENT, PROPOSED))
    status, printed = project.adopt()
    assert status == 0, printed
    assert project.model == PROPOSED != CURRENT
    assert "Run model_training without tune, and open a pull request." in printed


def test_an_older_winner_is_not_taken_for_the_newest(project: Project) -> None:
    project.tune("a", 1000, write_patch(CURRENT, PROPOSED))
    project.tune("b", 2000, "")
    status, printed = project.adopt()
    assert status != 0
    assert "The newest tuning found nothing better than conf/model.yml." in printed
    assert project.model == CURRENT


def test_a_file_that_has_changed_since_is_left_as_it_is(project: Project) -> None:
    project.tune("a", 1000, write_patch(CURRENT, PROPOSED))
    changed = CURRENT.replace(": ", ":  ")
    (project.root / MODEL_FILE).write_text(changed)
    status, printed = project.adopt()
    assert status != 0
    assert "conf/model.yml has changed since then: tune again, or edit it by .laptop/" in printed
    assert project.model == changed


def test_without_a_tuning_it_says_how_to_have_one(project: Project) -> None:
    status, printed = project.adopt()
    assert status != 0
    assert "No tuning is there: laptop run model_training --params tune=true" in printed
