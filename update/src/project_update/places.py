"""Where the files of a render stand in the repository that holds the project."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from .errors import UpdateError


@dataclass(frozen=True)
class File:
    """A file as git knows it: its mode and the name of its content."""

    mode: str
    content: str


Tree = Mapping[str, File]
"""Files by their path from the repository's root, with slashes."""


@dataclass(frozen=True)
class Place:
    """The project's own folder in its repository.

    Attributes:
        prefix: Its path from the repository's root, with a slash at the end; empty where the
            project is the repository.
    """

    prefix: str

    def locate(self, path: str, name: str) -> str:
        """Return where a file of a render stands.

        Args:
            path: The file, from the folder that the project was rendered into.
            name: The project's name, which is its folder's there.

        Raises:
            UpdateError: it stands beside a project that is the whole repository.
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
        """Return the repository with a render in place of the project.

        Args:
            standing: What the repository holds.
            made: What the template made, at its places.
            written: What any of the compared versions writes.
        """
        template = set(written)
        others = {
            path: file
            for path, file in standing.items()
            if not path.startswith(self.prefix) and path not in template
        }
        return {**others, **made}
