"""Errors of the template compiler."""


class ScaffoldError(Exception):
    """Base class: the root, its manifest or a target folder is invalid."""


class ManifestError(ScaffoldError):
    """The manifest contradicts itself or the root."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"scaffold/manifest.toml: {what}. {advice}")


class SourceError(ScaffoldError):
    """A file of the root cannot be compiled.

    Attributes:
        path: Path of the file relative to the root.
        line: Line number from 1; 0 for the whole file.
    """

    def __init__(self, path: str, line: int, what: str, advice: str) -> None:
        self.path = path
        self.line = line
        place = f"{path}:{line}" if line else path
        super().__init__(f"{place}: {what}. {advice}")


class StaleTemplateError(ScaffoldError):
    """The compiled template differs from the root's current files."""

    def __init__(self, differences: list[str]) -> None:
        shown = "\n".join(f"  {difference}" for difference in differences)
        super().__init__(f"The template is stale; run `python -m scaffold compile`:\n{shown}")


class TargetFolderError(ScaffoldError):
    """The target folder contains other files."""

    def __init__(self, folder: str) -> None:
        super().__init__(f"{folder} is not empty. Name a new or an empty folder.")


class BuildError(ScaffoldError):
    """A package of this repository cannot be built."""

    def __init__(self, package: str, said: str) -> None:
        super().__init__(f"uv cannot build {package}/:\n{said.rstrip()}\nCorrect that.")
