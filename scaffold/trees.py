"""In-memory file trees: read from git or a folder, write, compare."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import TargetFolderError

EXECUTABLE = 0o111


@dataclass(frozen=True)
class File:
    """A file's bytes, and whether it is executable."""

    content: bytes
    executable: bool = False


Tree = Mapping[str, File]
"""Files by their path from the tree's root, with slashes."""


def read_repository(root: Path) -> Tree:
    """Read the tracked and untracked files of the working tree, without ignored ones."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    names = sorted(filter(None, set(listed.stdout.split("\0"))))
    return {name: _read(root / name) for name in names if (root / name).is_file()}


def read_folder(root: Path) -> Tree:
    """Read every file below a folder; return an empty tree if it does not exist."""
    return {
        path.relative_to(root).as_posix(): _read(path)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def write_tree(tree: Tree, root: Path) -> None:
    """Make a folder contain exactly these files; leave unchanged files untouched."""
    standing = read_folder(root)
    for name in standing.keys() - tree.keys():
        (root / name).unlink()
    for name, file in tree.items():
        if standing.get(name) != file:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
            path.chmod(0o755 if file.executable else 0o644)
    for folder, _, _ in os.walk(root, topdown=False):
        if Path(folder) != root and not any(Path(folder).iterdir()):
            Path(folder).rmdir()


def write_new(tree: Tree, root: Path) -> None:
    """Write files into a new or empty folder.

    Raises:
        TargetFolderError: The folder is not empty.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise TargetFolderError(str(root))
    write_tree(tree, root)


def compare(expected: Tree, found: Tree) -> list[str]:
    """Return a line for each file that differs between two trees."""
    return [
        *(f"missing: {name}" for name in sorted(expected.keys() - found.keys())),
        *(f"in excess: {name}" for name in sorted(found.keys() - expected.keys())),
        *(
            f"different: {name}"
            for name in sorted(expected.keys() & found.keys())
            if expected[name] != found[name]
        ),
    ]


def _read(path: Path) -> File:
    return File(path.read_bytes(), bool(path.stat().st_mode & EXECUTABLE))
