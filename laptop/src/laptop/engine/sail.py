"""Sail: Spark Connect and Delta without a JVM, in the workspace's own process."""

import os
from collections.abc import Sequence
from typing import Any

CATALOGS = ("dev", "staging", "prod", "main", "workspace")


def start(api: str, token: str, catalogs: Sequence[str] = CATALOGS) -> tuple[Any, str]:
    """Start a server whose catalogs ask the workspace's Unity Catalog API for metadata.

    Sail reads its settings from the environment once, when the server is made.

    Args:
        api: The workspace's address, `http://127.0.0.1:<port>`.
        token: What the workspace wants as bearer token.
        catalogs: Names under which the one Unity Catalog is seen.

    Returns:
        The server, to be kept and stopped, and its address, `sc://127.0.0.1:<port>`.
    """
    # A DATABRICKS_HOST in the environment would replace the address given here.
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
        # A session removed for idleness loses its settings; a long training is no idleness.
        "SAIL_SPARK__SESSION_TIMEOUT_SECS": "86400",
        # Each batch is a message to the client; with Sail's own 8,192 rows, reading a column of
        # ten million takes twice as long.
        "SAIL_EXECUTION__BATCH_SIZE": "32768",
    }
    os.environ.update(settings)
    os.environ.setdefault("RUST_LOG", "error")

    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    # Another server, of this process or of one it starts, is none of this workspace's.
    for key in settings:
        del os.environ[key]
    host, port = server.listening_address
    return server, f"sc://{host}:{port}"


SESSION_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # Sail's own default is parquet, which would land in the working directory.
    "spark.sql.sources.default": "delta",
}
