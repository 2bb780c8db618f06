"""The application that commands belong to, where its bundle is, and how it says things."""

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
# A log file or a pipe has no width of its own, and 80 columns would fold every name.
WIDTH = None if sys.stdout.isatty() else 140
console = Console(highlight=False, width=WIDTH)
problems = Console(stderr=True, highlight=False, width=WIDTH)


class Output(StrEnum):
    """How a command shows what it found."""

    text = "text"
    json = "json"


Format = Annotated[Output, typer.Option("--output", "-o", help="text or json.")]


class Place:
    """Where the bundle is; set once by the options before the command."""

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
    """Print the version and leave."""
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
    """Turn what a person can act on into one message and exit status 1."""
    try:
        yield
    except (LaptopError, BundleError) as error:
        problems.print(f"[red]Error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from None


def warn(text: str) -> None:
    """Print a warning."""
    problems.print(f"[yellow]Warning:[/] {escape(text)}", soft_wrap=True)
