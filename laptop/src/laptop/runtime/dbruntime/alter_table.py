"""Statements that only declare something of a table: kept in the catalog, for Sail has none."""

import re
from typing import Any

SET_PROPERTIES = re.compile(
    r"^\s*ALTER\s+TABLE\s+(?P<table>[\w.`]+)\s+SET\s+TBLPROPERTIES\s*\((?P<pairs>.*)\)\s*;?\s*$",
    re.IGNORECASE | re.DOTALL,
)
PAIR = re.compile(r"\s*'([^']+)'\s*=\s*'([^']*)'\s*(?:,|$)")


def read_properties(query: str) -> tuple[str, dict[str, str]] | None:
    """Return table and properties of an `ALTER TABLE … SET TBLPROPERTIES`, else None.

    Raises:
        ValueError: The list of properties is not one of quoted keys and values.
    """
    match = SET_PROPERTIES.match(query)
    if match is None:
        return None
    pairs = PAIR.findall(match["pairs"])
    if not pairs or PAIR.sub("", match["pairs"]).strip():
        raise ValueError(
            f"The laptop reads TBLPROPERTIES as ('key' = 'value', …); got: {match['pairs'].strip()}"
        )
    return match["table"].replace("`", ""), dict(pairs)


def declare(query: str) -> bool:
    """Record what a statement declares; tell whether it was one."""
    found = read_properties(query)
    if found is None:
        return False
    from databricks.sdk import WorkspaceClient

    table, properties = found
    workspace = WorkspaceClient()
    present: dict[str, Any] = workspace.tables.get(table).properties or {}
    workspace.api_client.do(
        "PATCH",
        f"/api/2.1/unity-catalog/tables/{table}",
        body={"properties": {**present, **properties}},
    )
    return True
