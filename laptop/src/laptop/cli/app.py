"""The typer application, its global options, and its output."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ..bundle import BundleError, find_root
from ..errors import LaptopError
from ..state_dir import StateDir

app = typer.Typer(
    help="A Databricks workspace on one machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# Without a terminal, rich would wrap at 80 columns and break names.
WIDTH = None if sys.stdout.isatty() else 140
console = Console(highlight=False, width=WIDTH)
problems = Console(stderr=True, highlight=False, width=WIDTH)


class Output(StrEnum):
    """Output format of a command."""

    text = "text"
    json = "json"


Format = Annotated[Output, typer.Option("--output", "-o", help="text or json.")]


class Place:
    """The bundle's folder; set once by the global options."""

    directory = Path()

    @classmethod
    def root(cls) -> Path:
        """Return the folder of the nearest databricks.yml."""
        return find_root(cls.directory)

    @classmethod
    def state_dir(cls) -> StateDir:
        """Return the state folder."""
        return StateDir.beside(cls.root())


def print_version(asked: bool) -> None:
    """Print the version and exit."""
    if asked:
        print(f"laptop {metadata.version('laptop')}")
        raise typer.Exit


@app.callback()
def locate(
    directory: Annotated[
        Path, typer.Option("-C", help="Look for databricks.yml from this folder upwards.")
    ] = Path(),
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Set where to look for the bundle."""
    Place.directory = directory


@contextmanager
def reporting() -> Iterator[None]:
    """Print expected errors as one message and exit with status 1."""
    try:
        yield
    except (LaptopError, BundleError) as error:
        problems.print(f"[red]Error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from None


def warn(text: str) -> None:
    """Print a warning."""
    problems.print(f"[yellow]Warning:[/] {escape(text)}", soft_wrap=True)
