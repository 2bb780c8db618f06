"""Files of a volume: folders of rows, each complete once it has a manifest."""

import contextlib
import io
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.errors.base import DatabricksError

from .errors import OutputError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Spark ignores files whose name begins with an underscore.
MANIFEST = "_manifest.json"
# RFC 4180, and instants to the microsecond.
CSV = {
    "header": "true",
    "escape": '"',
    "multiLine": "true",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
}
OPTIONS: Mapping[str, Mapping[str, str]] = {"parquet": {}, "csv": CSV}


def volume_path(volume: str) -> str:
    """Return the path of a volume's files, from its full name."""
    return f"/Volumes/{volume.replace('.', '/')}"


def require_volume(workspace: WorkspaceClient, volume: str) -> None:
    """Check that a volume can be used.

    Raises:
        OutputError: It does not exist, or the task's principal may not use it.
    """
    try:
        workspace.volumes.read(volume)
    except DatabricksError as error:
        raise OutputError(
            f"Volume {volume} cannot be used: {describe(error)}. Deploy the bundle, which makes "
            "it, and grant READ VOLUME and WRITE VOLUME on it to the job's principal."
        ) from error


def read_manifest(workspace: WorkspaceClient, folder: str) -> Mapping[str, Any] | None:
    """Return the manifest of a folder; None if the folder is incomplete.

    Raises:
        OutputError: The manifest is not valid.
    """
    path = f"{folder}/{MANIFEST}"
    try:
        contents = workspace.files.download(path).contents
    except NotFound:
        return None
    if contents is None:
        return None
    with contents as file:
        text = file.read()
    try:
        found = json.loads(text)
    except ValueError as error:
        raise OutputError(
            f"{path} is not JSON: {error}. Delete it: the folder is written again."
        ) from error
    return found if isinstance(found, dict) else {}


def write_folder(
    spark: "SparkSession",
    workspace: WorkspaceClient,
    folder: str,
    rows: "DataFrame",
    form: str,
    described: Mapping[str, Any],
) -> None:
    """Replace the files of a folder, then write its manifest.

    Readers wait for the manifest, which is deleted before the files are replaced. Databricks leaves
    the files of killed and overwritten writes in place, where its own readers alone skip them, so
    the folder is emptied before it is written.

    `folder` is a path below a volume, `form` is `parquet` or `csv`; `described` is the content of
    the manifest, with the number of `rows`.

    Raises:
        OutputError: Writing failed, or the files do not have all rows.
    """
    from pyspark.errors import PySparkException

    try:
        with contextlib.suppress(NotFound):
            workspace.files.delete(f"{folder}/{MANIFEST}")
        delete_folder(workspace, folder)
        rows.write.format(form).mode("overwrite").options(**OPTIONS[form]).save(folder)
        files = {str(entry.name): entry.file_size for entry in list_files(workspace, folder)}
        paths = [f"{folder}/{name}" for name in files]
        written = spark.read.format(form).options(**OPTIONS[form]).load(paths).count()
        if written != described["rows"]:
            raise OutputError(
                f"{folder} holds {written:,} rows after {described['rows']:,} were written. "
                "Run the task outputs again: it writes the folder again."
            )
        manifest = json.dumps({**described, "files": files}, indent=2)
        workspace.files.upload(f"{folder}/{MANIFEST}", io.BytesIO(manifest.encode()))
    except (DatabricksError, PySparkException) as error:
        raise OutputError(
            f"{folder} was not written: {describe(error)}. It has no manifest, so that nobody "
            "reads it. Grant WRITE VOLUME to the job's principal, or make room; then run the "
            "task outputs again: it writes the folder again."
        ) from error


def list_files(workspace: WorkspaceClient, folder: str) -> Iterator[Any]:
    """Yield the files of a folder that hold rows."""
    for entry in workspace.files.list_directory_contents(folder):
        if not entry.is_directory and not str(entry.name).startswith(("_", ".")):
            yield entry


def list_folders(workspace: WorkspaceClient, folder: str) -> list[str]:
    """Return the paths of the direct subfolders; empty if the folder does not exist."""
    try:
        entries = list(workspace.files.list_directory_contents(folder))
    except NotFound:
        return []
    return [f"{folder}/{entry.name}" for entry in entries if entry.is_directory]


def delete_folder(workspace: WorkspaceClient, folder: str) -> None:
    """Delete a folder and its content if it exists."""
    try:
        entries = list(workspace.files.list_directory_contents(folder))
    except NotFound:
        return
    for entry in entries:
        path = f"{folder}/{entry.name}"
        with contextlib.suppress(NotFound):
            if entry.is_directory:
                delete_folder(workspace, path)
            else:
                workspace.files.delete(path)
    with contextlib.suppress(NotFound):
        workspace.files.delete_directory(folder)


def describe(error: Exception) -> str:
    """Return an error's text on one line, without a full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
