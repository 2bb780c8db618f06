"""Sail: Spark Connect and Delta without a JVM, in the workspace process."""

import os
from collections.abc import Sequence
from typing import Any

CATALOGS = ("dev", "staging", "prod", "main", "workspace")


def start(api: str, token: str, catalogs: Sequence[str] = CATALOGS) -> tuple[Any, str]:
    """Start a server with catalogs backed by the workspace's Unity Catalog API.

    Sail reads its settings from the environment once, when the server is created.

    Args:
        api: The workspace's address, `http://127.0.0.1:<port>`.
        token: The workspace's bearer token.
        catalogs: Catalog names, all backed by the same API.

    Returns:
        The server, which the caller stops, and its address, `sc://127.0.0.1:<port>`.
    """
    # A DATABRICKS_HOST in the environment would override the address.
    for key in [k for k in os.environ if k.startswith(("DATABRICKS_", "UNITY_", "UC_"))]:
        del os.environ[key]
    entries = ", ".join(
        f'{{type="unity", name="{name}", uri="{api}/api/2.1/unity-catalog", '
        f'default_catalog="{name}", token="{token}"}}'
        for name in catalogs
    )
    settings = {
        "SAIL_CATALOG__LIST": f"[{entries}]",
        "SAIL_CATALOG__DEFAULT_CATALOG": f'"{catalogs[0]}"',
        # A session loses its settings when it expires; allow for long training runs.
        "SAIL_SPARK__SESSION_TIMEOUT_SECS": "86400",
        # Each batch is a message to the client. With Sail's default of 8,192 rows, reading a column
        # of ten million rows takes twice as long.
        "SAIL_EXECUTION__BATCH_SIZE": "32768",
    }
    os.environ.update(settings)
    os.environ.setdefault("RUST_LOG", "error")

    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    # Do not pass the settings on to other servers or child processes.
    for key in settings:
        del os.environ[key]
    host, port = server.listening_address
    return server, f"sc://{host}:{port}"


SESSION_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # Sail's default is parquet, written to the working directory.
    "spark.sql.sources.default": "delta",
}
