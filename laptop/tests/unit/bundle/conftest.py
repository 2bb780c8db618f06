from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from laptop.bundle import Bundle, Identity, resolve

LAPTOP = Identity("laptop@localhost", "laptop")

Files = Mapping[str, str]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Files], Path]:
    """Write a bundle's files; `databricks.yml` begins with the bundle's name."""

    def write_files(files: Files) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            head = "bundle: {name: sample}\n" if name == "databricks.yml" else ""
            path.write_text(head + text)
        return tmp_path

    return write_files


@pytest.fixture
def settle(write: Callable[[Files], Path]) -> Callable[..., Bundle]:
    """Write a bundle and resolves it; a lone text is its `databricks.yml`."""

    def settle_files(
        files: Files | str, target: str | None = None, variables: Mapping[str, str] | None = None
    ) -> Bundle:
        root = write({"databricks.yml": files} if isinstance(files, str) else files)
        return resolve(root, target=target, variables=variables or {}, identity=LAPTOP)

    return settle_files
