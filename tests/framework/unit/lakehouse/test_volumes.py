"""A folder of a volume is written so that an incomplete write is detectable."""

import io
import json
from typing import Any
from unittest.mock import MagicMock

import pytest
from databricks.sdk.errors import NotFound, PermissionDenied

from flight_delays.lakehouse.errors import OutputError
from flight_delays.lakehouse.volumes import (
    MANIFEST,
    delete_folder,
    read_manifest,
    volume_path,
    write_folder,
)

FOLDER = "/Volumes/dev/a/outputs/predictions/run=1"


@pytest.fixture
def clients() -> MagicMock:
    """Return a mock of Spark and the workspace that records calls in order."""
    clients = MagicMock()
    clients.spark.read.format().options().load().count.return_value = 3
    clients.workspace.files.list_directory_contents.return_value = []
    clients.reset_mock()
    return clients


def write(clients: MagicMock, **described: Any) -> None:
    described = {"rows": 3, **described}
    write_folder(clients.spark, clients.workspace, FOLDER, clients.rows, "parquet", described)


def order(clients: MagicMock) -> list[str]:
    steps = ("files.delete", ".save", ".count", "files.upload")
    return [step for name, *_ in clients.mock_calls for step in steps if name.endswith(step)]


def test_manifest_goes_before_the_files_and_comes_back_after_them(clients: MagicMock) -> None:
    write(clients)
    assert order(clients) == ["files.delete", ".save", ".count", "files.upload"]
    clients.workspace.files.delete.assert_called_once_with(f"{FOLDER}/{MANIFEST}")
    (path, _), _ = clients.workspace.files.upload.call_args
    assert path == f"{FOLDER}/{MANIFEST}"


def test_files_that_lack_rows_get_no_manifest(clients: MagicMock) -> None:
    with pytest.raises(OutputError, match="holds 3 rows after 4 were written"):
        write(clients, rows=4)
    clients.workspace.files.upload.assert_not_called()


def test_files_that_databricks_keeps_of_a_killed_or_replaced_write_are_not_in_the_folder(
    clients: MagicMock,
) -> None:
    old = f"{FOLDER}/part-0-tid-1.parquet"
    there = {f"{FOLDER}/_started_1", old}
    files, read = clients.workspace.files, clients.spark.read.format().options().load

    def list_files(_: str) -> list[Any]:
        shown = [MagicMock(is_directory=False, file_size=1) for _ in there]
        for file, path in zip(shown, sorted(there), strict=True):
            file.name = path.removeprefix(f"{FOLDER}/")
        return shown

    # As on Databricks, `overwrite` deletes nothing.
    clients.rows.write.format().mode().options().save.side_effect = lambda folder: there.add(
        f"{folder}/part-0-tid-2.parquet"
    )
    files.list_directory_contents.side_effect = list_files
    files.delete.side_effect = there.discard
    write(clients)
    (_, contents), _ = files.upload.call_args
    assert list(json.loads(contents.getvalue())["files"]) == ["part-0-tid-2.parquet"]
    read.assert_called_once_with([f"{FOLDER}/part-0-tid-2.parquet"])
    assert there == {f"{FOLDER}/part-0-tid-2.parquet"}


def test_what_the_platform_refuses_is_passed_on(clients: MagicMock) -> None:
    clients.workspace.files.delete.side_effect = PermissionDenied("No WRITE VOLUME.")
    with pytest.raises(OutputError, match=r"was not written: No WRITE VOLUME\. It has no manifest"):
        write(clients)
    clients.rows.write.format.assert_not_called()


def test_a_folder_without_a_manifest_is_not_whole(clients: MagicMock) -> None:
    clients.workspace.files.download.side_effect = NotFound()
    assert read_manifest(clients.workspace, FOLDER) is None
    clients.workspace.files.download.side_effect = PermissionDenied()
    with pytest.raises(PermissionDenied):
        read_manifest(clients.workspace, FOLDER)


@pytest.mark.parametrize("text", [b"", b'{"rows": '])
def test_a_manifest_that_is_none_is_refused(clients: MagicMock, text: bytes) -> None:
    clients.workspace.files.download.return_value.contents = io.BytesIO(text)
    with pytest.raises(OutputError, match=r"_manifest\.json is not JSON"):
        read_manifest(clients.workspace, FOLDER)


def test_a_folder_that_is_gone_is_passed_over(clients: MagicMock) -> None:
    clients.workspace.files.list_directory_contents.side_effect = NotFound()
    delete_folder(clients.workspace, FOLDER)
    clients.workspace.files.delete_directory.assert_not_called()


def test_a_volume_has_a_path() -> None:
    assert volume_path("dev.a.outputs") == "/Volumes/dev/a/outputs"
