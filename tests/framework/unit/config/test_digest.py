"""The training digest of a model."""

import shutil
from importlib import resources
from pathlib import Path

import pytest

from flight_delays.config import loading


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the package for the digest."""
    copy = tmp_path / "package"
    shutil.copytree(Path(loading.__file__).parent.parent, copy)
    monkeypatch.setattr(resources, "files", lambda _: copy)
    return copy


@pytest.mark.parametrize(
    "file", ["problem/features.py", "problem/model.py", "conf/model.yml", "conf/policy.yml"]
)
def test_a_change_of_what_makes_a_model_changes_the_digest(package: Path, file: str) -> None:
    before = loading.digest_training("policy")
    with (package / file).open("a") as changed:
        changed.write("# reviewed\n")
    assert loading.digest_training("policy") != before


@pytest.mark.parametrize("file", ["tasks/deploy.py", "conf/policy_small.yml", "conf/serving.yml"])
def test_other_files_and_what_python_compiles_do_not(package: Path, file: str) -> None:
    before = loading.digest_training("policy")
    with (package / file).open("a") as changed:
        changed.write("# reviewed\n")
    (package / "problem" / "__pycache__").mkdir(exist_ok=True)
    (package / "problem" / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"compiled")
    assert loading.digest_training("policy") == before


def test_another_policy_has_another_digest() -> None:
    assert loading.digest_training("policy") != loading.digest_training("policy_small")
