"""The engine of a workspace beside others of the same process."""

from pathlib import Path

from laptop.engine.session import connect
from pysail.spark import SparkConnectServer

from .conftest import Workspace


def test_another_server_of_the_process_has_its_own_catalog(
    workspace: Workspace, tmp_path: Path
) -> None:
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    session = connect("sc://{}:{}".format(*server.listening_address))
    session.sql(f"CREATE TABLE aside (a INT) USING DELTA LOCATION '{tmp_path / 'aside'}'")
    assert session.table("aside").count() == 0
    session.stop()
    server.stop()
    assert not (workspace.state_dir / "aside").exists()
