"""The catalog as the engine's gateway asks for it."""

from pathlib import Path
from typing import Any

from ..connection import Connection
from .state import Document, State
from .unity import CATALOG, CONNECTION, FUNCTION, SCHEMA, TABLE, VIEW, VOLUME
from .volumes import Volumes


class CatalogReader:
    """Reads metadata at once, and changes it through the workspace's API.

    Args:
        state: What the workspace remembers.
        address: The workspace's API.
        token: Its bearer token.
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
        """Tell whether there is a volume of a name in lower case."""
        return self._state.get(VOLUME, full_name) is not None

    def volume_path(self, path: str) -> Path:
        """Return where a path below `/Volumes` is kept; see `Volumes.locate`."""
        return Volumes(self._state).locate(path)

    def has_views(self) -> bool:
        """Tell whether there is any view."""
        return any(table.get("table_type") == VIEW for table in self._state.all(TABLE))

    def find(self, full_name: str) -> Document | None:
        """Return a table or view by its name in lower case, None where there is none."""
        if self._state.get(TABLE, full_name) is None:
            return None
        found: Document = self.ask("GET", f"/api/2.1/unity-catalog/tables/{full_name}")
        return found

    def is_function(self, name: str) -> bool:
        """Tell whether some schema has a function of this last name, in lower case."""
        return any(function["name"] == name for function in self._state.all(FUNCTION))

    def find_function(self, full_name: str) -> Document | None:
        """Return a function by its name in lower case, None where there is none."""
        return self._state.get(FUNCTION, full_name)

    def find_connection(self, name: str) -> Document | None:
        """Return a connection by its name in lower case, with its password; None for no such."""
        return self._state.get(CONNECTION, name)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the workspace's API and return the answer."""
        return self._api.ask(method, path, body)
