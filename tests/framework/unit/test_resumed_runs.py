"""The file that lets a later `make integration` wait for the same runs."""

from pathlib import Path

import pytest

from tests.integration.runs import read_runs, write_runs


def test_runs_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "reports" / "runs.json"
    write_runs(file, "test", {"feature_refresh": 11, "model_training": 12})
    assert read_runs(file, "test") == {"feature_refresh": 11, "model_training": 12}


def test_runs_of_another_target_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "runs.json"
    write_runs(file, "staging", {"feature_refresh": 11})
    with pytest.raises(
        AssertionError, match=r"is of target staging\. Start again: make integration"
    ):
        read_runs(file, "test")


def test_missing_file_is_refused_with_the_command_that_starts_anew(tmp_path: Path) -> None:
    with pytest.raises(
        AssertionError, match=r"missing\. Start again: make integration TARGET=test"
    ):
        read_runs(tmp_path / "runs.json", "test")
