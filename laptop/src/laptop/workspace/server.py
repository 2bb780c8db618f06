"""The workspace process: API, engine and serving, until stopped or idle."""

import argparse
import faulthandler
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.concurrency import run_in_threadpool

from .. import clock
from ..connection import Connection, announce
from ..engine import sail
from ..engine.gateway import Gateway
from ..jobs.runner import Runner
from ..jobs.task_environment import TaskEnvironment
from ..state_dir import StateDir, file_lock
from . import (
    alerts,
    connections,
    dashboards,
    feature_store,
    files,
    functions,
    identity,
    jobs,
    runs,
    sql,
    unity,
    volume_files,
    warehouses,
)
from .app import Activity, Guard, create_app
from .catalog_reader import CatalogReader
from .serving_faults import FILE, Faults
from .serving_faults import VARIABLE as FAULTS
from .state import State
from .tree import FileTree
from .volumes import Volumes
from .volumes import router as volumes_router

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

IDLE_SECONDS = 15 * 60
DELAY = "LAPTOP_SERVING_DELAY"
PAYLOAD_DELAY = "LAPTOP_PAYLOAD_DELAY"
GRACE_SECONDS = 2
# Longer than clients keep unused connections (Go and reqwest: 90 s). If the server closes first, as
# by default after 5 s, a request sent at that moment fails: 1 in 60 after a pause of 5 s.
KEEP_ALIVE_SECONDS = 600


def main(arguments: list[str] | None = None) -> None:
    """Run the workspace of one state folder in the foreground."""
    parser = argparse.ArgumentParser(prog="laptop-workspace")
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("--catalog", action="append", default=[])
    parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS)
    parser.add_argument("--serving-delay", type=seconds, default=os.environ.get(DELAY, "0"))
    parser.add_argument("--payload-delay", type=seconds, default=os.environ.get(PAYLOAD_DELAY, "0"))
    parser.add_argument("--serving-faults", type=existing_file, default=os.environ.get(FAULTS))
    given = parser.parse_args(arguments)
    # The log says where a library crashed.
    faulthandler.enable()
    state_dir = StateDir(given.state_dir.resolve())
    state_dir.create()
    # Files that the engine writes to the working directory must not land in a project.
    os.chdir(state_dir.path)
    with file_lock(state_dir.lock_file):
        # Left over from a killed workspace.
        state_dir.connection_file.unlink(missing_ok=True)
        serve(
            state_dir,
            given.catalog,
            given.idle_seconds,
            given.serving_delay,
            given.payload_delay,
            given.serving_faults,
        )
    # Exit handlers of libraries would retry requests to the stopped engine.
    os._exit(0)


def seconds(text: str) -> float:
    """Return a duration in seconds from the command line or the environment."""
    if not text.replace(".", "", 1).isdecimal():
        raise argparse.ArgumentTypeError(f"Seconds are a number such as 2.5, got: {text}.")
    return float(text)


def existing_file(text: str) -> Path:
    """Return the absolute path of an existing file."""
    file = Path(text).resolve()
    if not file.is_file():
        raise argparse.ArgumentTypeError(f"{FAULTS} names a file that does not exist: {file}.")
    return file


class Server(uvicorn.Server):
    """A server with a hook that runs before shutdown, while requests are still answered."""

    def __init__(self, config: uvicorn.Config, before_shutdown: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_shutdown = before_shutdown

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Run the hook, then shut down."""
        await run_in_threadpool(self._before_shutdown)
        await super().shutdown(sockets)


def serve(
    state_dir: StateDir,
    catalogs: list[str],
    idle_seconds: float,
    serving_delay: float = 0,
    payload_delay: float = 0,
    serving_faults: Path | None = None,
) -> None:
    """Serve on a free loopback port, and write the connection to `workspace.json` once ready.

    Args:
        state_dir: The state folder, whose lock the caller holds.
        catalogs: Catalogs to create besides existing and default ones.
        idle_seconds: Shut down after this time without a request or a running job.
        serving_delay: Seconds before an update of an endpoint loads its models.
        payload_delay: Seconds before requests are written to payload tables.
        serving_faults: File with faults of served entities; None uses the state folder's.
    """
    # Without IPPROTO_TCP asyncio leaves Nagle's algorithm on, and every response takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    token = secrets.token_hex(20)

    state = State(state_dir.path)
    for name in (*sail.CATALOGS, *catalogs):
        state.put(unity.CATALOG, name, {"name": name, "catalog_type": "MANAGED_CATALOG"})
    reader = CatalogReader(state, address, token)
    engine = Gateway(partial(sail.start, address, token), reader.catalogs, reader)
    remote = engine.address
    environment = TaskEnvironment(state_dir.path, address, token, remote)
    # Serving and the registry's routes read the same stores as the tasks.
    os.environ.update(environment.mlflow_variables())
    tree = FileTree(state)
    runner = Runner(state, environment, tree.locate, partial(jobs.find_settings, state))

    # MLflow takes seconds to import; the fork server imports it in parallel on another core.
    from ..mlflow_stores import TrackingStore
    from . import experiments, grants, models, permissions, serving
    from .data_quality import DataQuality
    from .data_quality import router as data_quality_router
    from .endpoints import Endpoints
    from .payloads import Payloads
    from .synced_tables import SyncedTables

    # If two processes open a new database at once, both migrate it and one fails.
    TrackingStore(os.environ["MLFLOW_TRACKING_URI"])

    payloads = Payloads(state, partial(open_session, remote), payload_delay)
    endpoints = Endpoints(state, payloads, serving_delay)
    faults = Faults(serving_faults or state_dir.path / FILE, is_named=serving_faults is not None)
    synced = SyncedTables(state, partial(open_session, remote))
    quality = DataQuality(state, partial(open_session, remote))
    quality.resume()
    app = create_app()
    app.include_router(identity.router(address))
    app.include_router(unity.router(state))
    volumes = Volumes(state)
    app.include_router(volumes_router(state, volumes))
    app.include_router(volume_files.router(volumes))
    app.include_router(functions.router(state))
    app.include_router(connections.router(state))
    app.include_router(models.router(state))
    app.include_router(experiments.router())
    app.include_router(sql.router(lambda: open_session(remote)))
    app.include_router(jobs.router(state))
    app.include_router(runs.router(state, runner, address))
    app.include_router(files.router(tree))
    app.include_router(feature_store.router(synced))
    app.include_router(grants.router(state))
    app.include_router(permissions.router(state, tree))
    app.include_router(warehouses.router())
    app.include_router(dashboards.router(state, tree))
    app.include_router(alerts.router(state, tree))
    app.include_router(serving.router(endpoints, payloads, faults))
    app.include_router(data_quality_router(quality))

    activity = Activity()
    guarded = Guard(app, token, port, activity)
    # Payloads are written before shutdown, because the engine needs this API.
    server = Server(
        uvicorn.Config(
            guarded,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        ),
        payloads.close,
    )
    # The server re-raises the signal that ended it, which would skip the cleanup below.
    signal.signal(signal.SIGTERM, lambda *_: None)

    def watch() -> None:
        while not server.started:
            time.sleep(0.01)
        announce(state_dir, Connection(os.getpid(), port, token, remote, clock.read_setting()))
        # Started now, because the engine needs this API to read and write tables.
        synced.resume()
        payloads.resume()
        # Imported ahead for the first endpoint.
        import mlflow.sklearn  # noqa: F401

        while not server.should_exit:
            time.sleep(min(1.0, idle_seconds / 4))
            if runner.busy or synced.busy or quality.busy:
                activity.touch()
            if activity.idle_seconds > idle_seconds:
                print(f"No request and no run for {idle_seconds:g} s: stopped.", flush=True)
                server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    try:
        server.run(sockets=[listener])
    finally:
        state_dir.connection_file.unlink(missing_ok=True)
        runner.close()
        endpoints.close()
        synced.close()
        quality.close()
        engine.stop()
        state.close()


def open_session(remote: str) -> "SparkSession":
    """Return a session on the workspace's engine; the client is imported when first needed."""
    from ..engine.session import connect

    return connect(remote)


if __name__ == "__main__":
    main()
