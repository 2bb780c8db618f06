"""Mapping of `/Volumes` paths in plans and statements to local paths."""

from typing import TYPE_CHECKING, Any

from pyspark.sql.connect.proto import commands_pb2

from .tokens import StatementRefused

if TYPE_CHECKING:
    from .plans import Session

_BELOW = ("/Volumes/", "dbfs:/Volumes/")
_PATTERN = frozenset("*?[{")
_MUST_BE_NEW = (
    commands_pb2.WriteOperation.SAVE_MODE_UNSPECIFIED,
    commands_pb2.WriteOperation.SAVE_MODE_ERROR_IF_EXISTS,
)


def is_volume_path(path: str) -> bool:
    """Return whether a path is in a volume."""
    return path.startswith(_BELOW)


def place_read(session: "Session", path: str) -> str:
    """Return the local path of a path to read.

    Raises:
        StatementRefused: The path does not exist; the engine would return no rows.
    """
    if not is_volume_path(path):
        return path
    place = session.api.volume_path(path.removeprefix("dbfs:"))
    if not _PATTERN & set(path) and not place.exists():
        raise StatementRefused(f"[PATH_NOT_FOUND] Path does not exist: {path}.")
    return str(place)


def place_source(session: "Session", source: Any) -> None:
    """Replace the volume paths of a data source with local paths."""
    source.paths[:] = [place_read(session, path) for path in list(source.paths)]
    for key in _path_options(source):
        source.options[key] = place_read(session, source.options[key])


def place_write(session: "Session", operation: Any) -> None:
    """Replace the volume path of a write with a local path.

    Raises:
        StatementRefused: The path exists, and the save mode does not allow that.
    """
    if is_volume_path(operation.path):
        place = session.api.volume_path(operation.path.removeprefix("dbfs:"))
        if operation.mode in _MUST_BE_NEW and place.exists():
            raise StatementRefused(
                f"[PATH_ALREADY_EXISTS] Path {operation.path} already exists. Set mode as "
                '"overwrite" to overwrite the existing path.'
            )
        operation.path = str(place)
    for key in _path_options(operation):
        given = operation.options[key]
        operation.options[key] = str(session.api.volume_path(given.removeprefix("dbfs:")))


def _path_options(message: Any) -> list[str]:
    return [
        key
        for key, value in message.options.items()
        if key.lower() == "path" and is_volume_path(value)
    ]
