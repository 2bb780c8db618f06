"""ASGI application of the REST API: authentication, errors and unknown routes."""

import hmac
import time

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import ApiError

# Clients call discovery before they authenticate; it reveals nothing about this workspace.
OPEN_PATHS = frozenset({"/", "/.well-known/databricks-config"})
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Laptop workspace</title>
<style>body { font-family: sans-serif; margin: 3em; max-width: 45em }</style>
<h1>Laptop workspace</h1>
<p>This is the REST API of the workspace, which clients reach by what
<code>laptop up</code> prints. Its pages are elsewhere:</p>
<p><code>laptop ui</code> opens runs, metrics and models in MLflow's pages.<br>
<code>laptop report</code> links the pages of a model version.<br>
<code>laptop status</code> shows tables, models, endpoints and runs.<br>
<code>laptop sql "SELECT …"</code> reads a table.</p>
</html>
"""


class Activity:
    """Time of the last request, in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def touch(self) -> None:
        """Record a request."""
        self.last = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last request."""
        return time.monotonic() - self.last


class Guard:
    """Middleware that requires the bearer token and a loopback Host header.

    The Host check prevents DNS rebinding: web pages that reach the workspace through a name that
    resolves to 127.0.0.1.
    """

    def __init__(self, app: ASGIApp, token: str, port: int, activity: Activity) -> None:
        self._app = app
        self._token = f"Bearer {token}".encode()
        self._hosts = {f"127.0.0.1:{port}".encode(), f"localhost:{port}".encode()}
        self._activity = activity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if headers.get(b"host") not in self._hosts:
            await answer(403, "PERMISSION_DENIED", "Foreign Host header.")(scope, receive, send)
            return
        given = headers.get(b"authorization", b"")
        if scope["path"] not in OPEN_PATHS and not hmac.compare_digest(given, self._token):
            text = "A bearer token is needed: `laptop up` prints DATABRICKS_TOKEN."
            await answer(401, "UNAUTHENTICATED", text)(scope, receive, send)
            return
        self._activity.touch()
        await self._app(scope, receive, send)


def answer(status: int, code: str, message: str) -> JSONResponse:
    """Return an error response in Databricks' format."""
    return JSONResponse({"error_code": code, "message": message}, status)


def create_app() -> FastAPI:
    """Return the application without routes; unknown routes return 501."""
    app = FastAPI(title="Laptop workspace", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    async def show_page() -> HTMLResponse:
        return HTMLResponse(PAGE)

    @app.exception_handler(ApiError)
    async def refuse(_: Request, error: ApiError) -> JSONResponse:
        return answer(error.status, error.code, error.message)

    @app.exception_handler(RequestValidationError)
    async def reject(_: Request, error: RequestValidationError) -> JSONResponse:
        facts = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return answer(400, "INVALID_PARAMETER_VALUE", facts)

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def decline(request: Request, _: Exception) -> JSONResponse:
        text = f"{request.method} {request.url.path} is not supported on the laptop."
        return answer(501, "NOT_IMPLEMENTED", text)

    @app.exception_handler(Exception)
    async def fail(_: Request, error: Exception) -> JSONResponse:
        return answer(500, "INTERNAL_ERROR", f"{type(error).__name__}: {error}")

    return app
