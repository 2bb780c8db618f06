"""REST routes of workspace files, as `bundle deploy` uploads them."""

import base64
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from .errors import ApiError
from .requests import JsonBody, required
from .state import Document
from .tree import FileTree

MOST_READ = 1_000_000


def router(tree: FileTree) -> APIRouter:
    """Return the routes of workspace files, and of DBFS, which exposes the same tree."""
    api = APIRouter(prefix="/api/2.0")

    @api.get("/workspace/get-status")
    def get_status(path: str) -> Any:
        return tree.describe(path)

    @api.get("/workspace/list")
    def list_objects(path: str) -> Any:
        return {"objects": tree.list(path)}

    @api.post("/workspace/mkdirs")
    def make(body: JsonBody) -> Any:
        (path,) = required(body, "path")
        tree.make(path)
        return {}

    @api.post("/workspace/delete")
    def delete(body: JsonBody) -> Any:
        (path,) = required(body, "path")
        tree.delete(path, recursive=bool(body.get("recursive")))
        return {}

    @api.get("/workspace/export")
    def export(path: str, direct_download: bool = False) -> Any:
        if tree.describe(path)["object_type"] == "DIRECTORY":
            text = f"Exporting a folder ({path}) as an archive is not supported on the laptop."
            raise ApiError(501, "NOT_IMPLEMENTED", text)
        content = tree.read(path)
        if direct_download:
            return raw(content)
        suffix = path.rpartition(".")[2]
        return {"content": base64.b64encode(content).decode(), "file_type": suffix}

    @api.post("/workspace-files/import-file/{path:path}")
    async def import_file(path: str, request: Request, overwrite: bool = False) -> Any:
        content = await request.body()
        await run_in_threadpool(tree.write, f"/{path}", content, overwrite=overwrite)
        return {}

    @api.get("/workspace-files/{path:path}")
    def read(path: str) -> Response:
        return raw(tree.read(f"/{path}"))

    @api.get("/dbfs/get-status")
    def get_dbfs_status(path: str) -> Any:
        return as_dbfs(tree.describe(on_dbfs(path)))

    @api.get("/dbfs/list")
    def list_dbfs(path: str) -> Any:
        return {"files": [as_dbfs(each) for each in tree.list(on_dbfs(path))]}

    @api.get("/dbfs/read")
    def read_dbfs(path: str, offset: int = 0, length: int = MOST_READ) -> Any:
        part = tree.read(on_dbfs(path))[offset : offset + min(length, MOST_READ)]
        return {"bytes_read": len(part), "data": base64.b64encode(part).decode()}

    return api


def raw(content: bytes) -> Response:
    """Return a response with a file's bytes."""
    return Response(content, media_type="application/octet-stream")


def on_dbfs(path: str) -> str:
    """Return the workspace path of a DBFS path."""
    return path.removeprefix("dbfs:")


def as_dbfs(found: Document) -> Document:
    """Return a folder or file in DBFS format."""
    return {
        "path": found["path"],
        "is_dir": found["object_type"] == "DIRECTORY",
        "file_size": found.get("size", 0),
        "modification_time": found["modified_at"],
    }
