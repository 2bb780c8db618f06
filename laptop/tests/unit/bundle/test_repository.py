import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from laptop.bundle import Bundle

Settle = Callable[..., Bundle]


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.test"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return run


def test_without_a_repository_there_is_a_path_alone(settle: Settle) -> None:
    assert settle("").config["bundle"]["git"] == {"bundle_root_path": "."}


def test_before_the_first_commit_there_is_a_branch(settle: Settle, git: Callable[..., str]) -> None:
    git("init", "-qb", "trunk")
    assert settle("").config["bundle"]["git"] == {
        "actual_branch": "trunk",
        "branch": "trunk",
        "bundle_root_path": ".",
    }


def test_commit_and_origin_are_read_without_the_origins_password(
    settle: Settle, git: Callable[..., str]
) -> None:
    git("init", "-qb", "feature/x")
    git("remote", "add", "origin", "https://user:secret@example.test/a/b.git")
    git("commit", "-qm", "first", "--allow-empty")
    facts = settle("targets: {t: {git: {branch: main}}}").config["bundle"]["git"]
    assert facts == {
        "actual_branch": "feature/x",
        "branch": "main",
        "commit": git("rev-parse", "HEAD"),
        "origin_url": "https://example.test/a/b.git",
        "bundle_root_path": ".",
    }


def test_a_detached_head_has_no_branch(settle: Settle, git: Callable[..., str]) -> None:
    git("init", "-q")
    git("commit", "-qm", "first", "--allow-empty")
    git("checkout", "-q", "--detach")
    facts = settle("").config["bundle"]["git"]
    assert facts == {"commit": git("rev-parse", "HEAD"), "bundle_root_path": "."}
