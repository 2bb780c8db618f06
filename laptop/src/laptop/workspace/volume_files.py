"""The Files API: files and folders of volumes, as `w.files` and `databricks fs` use them."""

import shutil
import uuid
from email.utils import formatdate
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from .errors import ApiError
from .requests import page
from .state import Document
from .volumes import Volumes

_MOST_LISTED = 1000


def router(volumes: Volumes) -> APIRouter:
    """Return the routes below `/api/2.0/fs`."""
    api = APIRouter(prefix="/api/2.0/fs")
    # Left over from a killed workspace.
    shutil.rmtree(volumes.drafts, ignore_errors=True)
    volumes.drafts.mkdir(parents=True)

    def file_at(path: str) -> Path:
        place = volumes.locate(path)
        if not place.is_file():
            raise absent("file", path)
        return place

    def folder_at(path: str) -> Path:
        place = volumes.locate(path)
        if not place.is_dir():
            raise absent("directory", path)
        return place

    def write(path: str, content: bytes, *, overwrite: bool) -> None:
        place = volumes.locate(path)
        if place.is_dir():
            raise taken(f"Path ({path}) is a directory.")
        if place.exists() and not overwrite:
            raise taken(f"The file being created already exists: {path}.")
        try:
            # As in an object store, parent folders need not exist.
            place.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise taken(f"A folder of {path} is a file.") from None
        # Atomic.
        draft = volumes.drafts / uuid.uuid4().hex
        try:
            draft.write_bytes(content)
            draft.replace(place)
        finally:
            draft.unlink(missing_ok=True)

    @api.put("/files/{path:path}", status_code=204)
    async def upload(path: str, request: Request, overwrite: bool = True) -> None:
        content = await request.body()
        await run_in_threadpool(write, f"/{path}", content, overwrite=overwrite)

    @api.get("/files/{path:path}")
    def download(path: str) -> Response:
        return FileResponse(file_at(f"/{path}"), media_type="application/octet-stream")

    @api.head("/files/{path:path}")
    def get_metadata(path: str) -> Response:
        place = file_at(f"/{path}")
        facts = place.stat()
        return Response(
            media_type="application/octet-stream",
            headers={
                "content-length": str(facts.st_size),
                "last-modified": formatdate(facts.st_mtime, usegmt=True),
            },
        )

    @api.delete("/files/{path:path}", status_code=204)
    def delete(path: str) -> None:
        file_at(f"/{path}").unlink(missing_ok=True)

    @api.get("/directories/{path:path}")
    def list_directory(path: str, page_size: int = _MOST_LISTED, page_token: str = "") -> Any:
        folder = folder_at(f"/{path}")
        entries = [entry(f"/{path}", each) for each in sorted(folder.iterdir())]
        shown, after = page(entries, min(page_size, _MOST_LISTED), page_token)
        return {"contents": shown} | {k: v for k, v in after.items() if k == "next_page_token"}

    @api.head("/directories/{path:path}")
    def get_directory_metadata(path: str) -> Response:
        folder_at(f"/{path}")
        return Response()

    @api.put("/directories/{path:path}", status_code=204)
    def create_directory(path: str) -> None:
        try:
            volumes.locate(f"/{path}").mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise taken(f"Path (/{path}) leads to a file.") from None

    @api.delete("/directories/{path:path}", status_code=204)
    def delete_directory(path: str) -> None:
        folder = folder_at(f"/{path}")
        if len([name for name in path.split("/") if name]) < 5:
            text = f"Path (/{path}) is a volume: delete it by `databricks volumes delete`."
            raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
        if any(folder.iterdir()):
            raise ApiError(
                400, "BAD_REQUEST", f"The directory being deleted (/{path}) is not empty."
            )
        shutil.rmtree(folder, ignore_errors=True)

    return api


def entry(folder: str, place: Path) -> Document:
    """Return a file or folder as the Files API lists it."""
    facts = place.stat()
    shown: Document = {
        "path": f"{folder.rstrip('/')}/{place.name}",
        "name": place.name,
        "is_directory": place.is_dir(),
    }
    if place.is_dir():
        return shown
    return shown | {"file_size": facts.st_size, "last_modified": int(facts.st_mtime * 1000)}


def absent(what: str, path: str) -> ApiError:
    """Return the 404 for a missing file or directory."""
    return ApiError(404, "NOT_FOUND", f"The {what} being accessed is not found: {path}.")


def taken(message: str) -> ApiError:
    """Return the 409 for a path in use."""
    return ApiError(409, "ALREADY_EXISTS", message)
