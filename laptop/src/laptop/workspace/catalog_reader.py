"""Catalog access for the engine's gateway."""

from pathlib import Path
from typing import Any

from ..connection import Connection
from .state import Document, State
from .unity import CATALOG, CONNECTION, FUNCTION, SCHEMA, TABLE, VIEW, VOLUME
from .volumes import Volumes


class CatalogReader:
    """Catalog metadata, read from the state and changed through the workspace's API.

    Args:
        state: The workspace's state.
        address: Address of the workspace's API.
        token: The workspace's bearer token.
    """

    def __init__(self, state: State, address: str, token: str) -> None:
        self._state = state
        self._api = Connection(0, int(address.rpartition(":")[2]), token, "")

    def catalogs(self) -> list[str]:
        """Return the names of all catalogs."""
        return [catalog["name"] for catalog in self._state.all(CATALOG)]

    def schemas(self, catalog: str) -> list[Document]:
        """Return the schemas of a catalog."""
        return self._state.all(SCHEMA, f"{catalog}.")

    def tables(self, schema: str) -> list[Document]:
        """Return the tables and views of a schema, `catalog.schema`."""
        return self._state.all(TABLE, f"{schema}.")

    def has_volume(self, full_name: str) -> bool:
        """Return whether a volume exists, by its name in lower case."""
        return self._state.get(VOLUME, full_name) is not None

    def volume_path(self, path: str) -> Path:
        """Return the local path of a `/Volumes` path; see `Volumes.locate`."""
        return Volumes(self._state).locate(path)

    def has_views(self) -> bool:
        """Return whether any view exists."""
        return any(table.get("table_type") == VIEW for table in self._state.all(TABLE))

    def find(self, full_name: str) -> Document | None:
        """Return a table or view by its name in lower case, or None."""
        if self._state.get(TABLE, full_name) is None:
            return None
        found: Document = self.ask("GET", f"/api/2.1/unity-catalog/tables/{full_name}")
        return found

    def is_function(self, name: str) -> bool:
        """Return whether any schema has a function of this name, in lower case."""
        return any(function["name"] == name for function in self._state.all(FUNCTION))

    def find_function(self, full_name: str) -> Document | None:
        """Return a function by its name in lower case, or None."""
        return self._state.get(FUNCTION, full_name)

    def find_connection(self, name: str) -> Document | None:
        """Return a connection, with its password, by its name in lower case, or None."""
        return self._state.get(CONNECTION, name)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the workspace's API and return the answer."""
        return self._api.ask(method, path, body)
