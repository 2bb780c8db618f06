"""The workspace and the bundle of a command."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from .. import connection
from ..bundle import Bundle, BundleError, Identity, list_targets, resolve
from ..deployment import UNITY, catalogs_of, resolve_names
from ..errors import WorkspaceNotRunning
from ..identity import SCIM_FIELDS, SHORT_NAME, USER_NAME, WAREHOUSE, WAREHOUSE_NAME
from ..state_dir import StateDir
from .app import Place, problems, warn


def running_or_started() -> connection.Connection:
    """Return the workspace; start it if it is down but has been used before."""
    state_dir = Place.state_dir()
    there = connection.find(state_dir)
    if there:
        return there
    if not state_dir.catalog_db.exists():
        raise WorkspaceNotRunning("There is no workspace here yet. Next: laptop run JOB")
    return open_workspace(state_dir, resolve_all(Place.root()))


def open_workspace(state_dir: StateDir, bundles: list[Bundle]) -> connection.Connection:
    """Return the workspace with the bundles' catalogs; start it, with a notice, if it is down."""
    if connection.find(state_dir) is None:
        problems.print("[dim]Starting the workspace…[/]")
    return connection.open_workspace(state_dir, catalogs_of(bundles))


def find_default_schema(there: connection.Connection) -> dict[str, str]:
    """Return catalog and schema of the default target's first schema, or nothing."""
    try:
        schemas = resolve_names(resolve_target(Place.root(), None, {})).schemas.values()
    except BundleError:
        return {}
    for schema in schemas:
        place = {"catalog": schema.get("catalog_name", ""), "schema": schema.get("name", "")}
        with suppress(connection.RequestRefused):
            there.ask("GET", f"{UNITY}/schemas/{quote('.'.join(place.values()))}")
            return place
    return {}


def resolve_target(root: Path, target: str | None, variables: dict[str, str]) -> Bundle:
    """Resolve one target for the laptop's user."""
    identity = Identity(USER_NAME, SHORT_NAME, SCIM_FIELDS)
    return resolve(
        root,
        target=target,
        variables=variables,
        identity=identity,
        warehouses={WAREHOUSE_NAME: WAREHOUSE},
        # Tasks run on this machine, regardless of the development cluster.
        has_clusters=False,
    )


def resolve_all(root: Path) -> list[Bundle]:
    """Resolve every target of the bundle; warn about those that fail."""
    bundles = []
    try:
        names = list_targets(root)
    except BundleError as error:
        warn(f"the bundle cannot be read. {error}")
        return []
    for name in names:
        try:
            bundles.append(resolve_target(root, name, {}))
        except BundleError as error:
            warn(f"target {name or 'default'} cannot be resolved. {error}")
    return bundles
