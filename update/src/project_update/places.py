"""Paths of a render's files in the project's repository."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from .errors import UpdateError


@dataclass(frozen=True)
class File:
    """A file in git: its mode and the hash of its blob."""

    mode: str
    content: str


Tree = Mapping[str, File]
"""Files by their path from the repository's root, with slashes."""


@dataclass(frozen=True)
class Place:
    """The project's folder in its repository.

    Attributes:
        prefix: Path relative to the repository's root, with a slash at the end; empty if the
            project is the root.
    """

    prefix: str

    def locate(self, path: str, name: str) -> str:
        """Return the path in the repository of a rendered file.

        Args:
            path: Path relative to the output folder of the render.
            name: The project's name, which is also its folder in the render.

        Raises:
            UpdateError: The file is outside the project's folder, and the project is the root.
        """
        folder, _, rest = path.partition("/")
        if folder == name:
            return f"{self.prefix}{rest}"
        if not self.prefix:
            what = f"The template writes {path} beside the project, outside of this repository."
            advice = "Its record says that the project is a folder of a repository; it is not."
            raise UpdateError(what, advice)
        return (PurePosixPath(self.prefix).parent / path).as_posix()

    def replace(self, standing: Tree, made: Tree, written: Iterable[str]) -> Tree:
        """Return the repository's files with the project replaced by a render.

        Args:
            standing: Files of the repository.
            made: Rendered files by path in the repository.
            written: Paths that either of the compared versions renders.
        """
        template = set(written)
        others = {
            path: file
            for path, file in standing.items()
            if not path.startswith(self.prefix) and path not in template
        }
        return {**others, **made}
