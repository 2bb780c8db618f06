"""Unity Catalog volumes: local folders, addressed as `/Volumes/catalog/schema/volume`."""

import uuid
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from .errors import MADE_BY_RUN, ApiError, missing
from .requests import JsonBody, page
from .state import Document, State
from .tree import allowed
from .unity import SCHEMA, VOLUME, drop_volume, lowered, stamps, volume_folder

ROOT = "Volumes"
_MOST_LISTED = 10_000


class Volumes:
    """The volumes of a workspace, each a folder named by its ID in the state folder.

    Args:
        state: The workspace's state.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, full_name: str) -> Document:
        """Return a volume.

        Raises:
            ApiError: 404 if it does not exist.
        """
        volume = self._state.get(VOLUME, full_name.lower())
        if volume is None:
            schema = full_name.lower().rpartition(".")[0]
            there = [each["name"] for each in self._state.all(VOLUME, f"{schema}.")]
            raise missing("VOLUME_DOES_NOT_EXIST", "Volume", full_name, there)
        # Not the stored location: the state folder may be a copy.
        return volume | {"storage_location": self.folder(volume).as_uri()}

    def folder(self, volume: Document) -> Path:
        """Return the folder that holds a volume's files."""
        return volume_folder(self._state, volume)

    @property
    def drafts(self) -> Path:
        """Folder of uploads in progress."""
        return self._state.folder / "volumes.new"

    def locate(self, path: str) -> Path:
        """Return the local path of a `/Volumes` path, which need not exist.

        Raises:
            ApiError: 400 for a path outside a volume; 404 if the volume does not exist.
        """
        root, *names = [name for name in path.split("/") if name] or [""]
        if root != ROOT or len(names) < 3 or any(not allowed(name) for name in names):
            raise ApiError(
                400,
                "INVALID_PARAMETER_VALUE",
                f"Path ({path}) must be /Volumes/<catalog>/<schema>/<volume>/…, without '.' or "
                "'..'.",
            )
        return self.folder(self.get(".".join(names[:3]))).joinpath(*names[3:])


def router(state: State, volumes: Volumes) -> APIRouter:
    """Return the routes below `/api/2.1/unity-catalog/volumes`."""
    api = APIRouter(prefix="/api/2.1/unity-catalog/volumes")

    def require_schema(full_name: str) -> None:
        if state.get(SCHEMA, full_name) is None:
            names = [each["full_name"] for each in state.all(SCHEMA)]
            raise missing("SCHEMA_DOES_NOT_EXIST", "Schema", full_name, names)

    @api.get("")
    def list_volumes(
        catalog_name: str, schema_name: str, max_results: int = 0, page_token: str = ""
    ) -> Any:
        schema = f"{catalog_name}.{schema_name}".lower()
        require_schema(schema)
        found = [volumes.get(each["full_name"]) for each in state.all(VOLUME, f"{schema}.")]
        shown, after = page(found, max_results or _MOST_LISTED, page_token)
        return {"volumes": shown} | {k: v for k, v in after.items() if k == "next_page_token"}

    @api.post("")
    def create_volume(body: JsonBody) -> Any:
        catalog, schema, name = lowered(body, "catalog_name", "schema_name", "name")
        if body.get("volume_type", "MANAGED") != "MANAGED" or body.get("storage_location"):
            text = "An external volume is not supported on the laptop: make it MANAGED."
            raise ApiError(501, "NOT_IMPLEMENTED", text)
        require_schema(f"{catalog}.{schema}")
        full_name = f"{catalog}.{schema}.{name}"
        levels = {"catalog_name": catalog, "schema_name": schema, "name": name}
        with state.transaction():
            if state.get(VOLUME, full_name) is not None:
                text = f"Volume '{full_name}' already exists. {MADE_BY_RUN}"
                raise ApiError(409, "VOLUME_ALREADY_EXISTS", text)
            made = {"full_name": full_name, "volume_id": str(uuid.uuid4()), **stamps()}
            volume = body | levels | {"volume_type": "MANAGED"} | made
            volumes.folder(volume).mkdir(parents=True)
            state.put(VOLUME, full_name, volume)
        return volumes.get(full_name)

    @api.get("/{full_name}")
    def get_volume(full_name: str) -> Any:
        return volumes.get(full_name)

    @api.patch("/{full_name}")
    def update_volume(full_name: str, body: JsonBody) -> Any:
        with state.transaction():
            volume = volumes.get(full_name)
            kept = {key: body[key] for key in ("comment", "owner") if key in body}
            changed = volume | kept | {"updated_at": stamps()["updated_at"]}
            if body.get("new_name"):
                (changed["name"],) = lowered(body, "new_name")
                changed["full_name"] = f"{volume['full_name'].rpartition('.')[0]}.{changed['name']}"
                if state.get(VOLUME, changed["full_name"]) is not None:
                    text = f"Volume '{changed['full_name']}' already exists."
                    raise ApiError(409, "VOLUME_ALREADY_EXISTS", text)
                state.delete(VOLUME, volume["full_name"])
            state.put(VOLUME, changed["full_name"], changed)
        return volumes.get(changed["full_name"])

    @api.delete("/{full_name}")
    def delete_volume(full_name: str) -> Any:
        drop_volume(state, volumes.get(full_name))
        return {}

    return api
