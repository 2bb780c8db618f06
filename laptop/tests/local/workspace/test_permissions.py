from collections.abc import Iterator

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound
from databricks.sdk.service.catalog import PermissionsChange, Privilege
from databricks.sdk.service.iam import AccessControlRequest, PermissionLevel

READERS = AccessControlRequest(group_name="readers", permission_level=PermissionLevel.CAN_VIEW)
OWNER = AccessControlRequest(user_name="a@b", permission_level=PermissionLevel.IS_OWNER)


@pytest.fixture
def job(client: WorkspaceClient) -> Iterator[str]:
    job_id = int(client.jobs.create(name="permitted").job_id or 0)
    yield str(job_id)
    client.jobs.delete(job_id)


@pytest.fixture
def schema(client: WorkspaceClient) -> Iterator[str]:
    yield str(client.schemas.create("granted", "dev").full_name)
    client.schemas.delete("dev.granted", force=True)


def shown(client: WorkspaceClient, kind: str, number: str) -> list[tuple[str, str]]:
    entries = client.permissions.get(kind, number).access_control_list or []
    return [
        (entry.user_name or entry.group_name or "", str(granted.permission_level).split(".")[1])
        for entry in entries
        for granted in entry.all_permissions or []
    ]


def test_permissions_are_set_changed_and_shown(client: WorkspaceClient, job: str) -> None:
    assert shown(client, "jobs", job) == []
    client.permissions.set("jobs", job, access_control_list=[READERS, OWNER])
    assert shown(client, "jobs", job) == [("readers", "CAN_VIEW"), ("a@b", "IS_OWNER")]
    more = AccessControlRequest(group_name="readers", permission_level=PermissionLevel.CAN_MANAGE)
    client.permissions.update("jobs", job, access_control_list=[more])
    assert shown(client, "jobs", job) == [("readers", "CAN_MANAGE"), ("a@b", "IS_OWNER")]
    client.permissions.set("jobs", job, access_control_list=[OWNER])
    assert shown(client, "jobs", job) == [("a@b", "IS_OWNER")]


@pytest.mark.parametrize("kind", ["jobs", "experiments", "directories"])
def test_permissions_are_of_something_that_is_there(client: WorkspaceClient, kind: str) -> None:
    with pytest.raises(NotFound, match="'99999' does not exist"):
        client.permissions.set(kind, "99999", access_control_list=[OWNER])


def test_an_entry_needs_a_principal_and_a_level(client: WorkspaceClient, job: str) -> None:
    for entry in (
        AccessControlRequest(group_name="readers"),
        AccessControlRequest(permission_level=PermissionLevel.CAN_VIEW),
    ):
        with pytest.raises(BadRequest, match="permission_level and one of user_name, group_name"):
            client.permissions.set("jobs", job, access_control_list=[entry])


def test_privileges_are_granted_taken_back_and_go_with_what_they_are_on(
    client: WorkspaceClient, schema: str
) -> None:
    def change(add: list[Privilege], remove: list[Privilege]) -> dict[str, list[str]]:
        changes = [PermissionsChange(principal="readers", add=add, remove=remove)]
        held = client.grants.update("schema", schema, changes=changes).as_dict()
        found = held.get("privilege_assignments", [])
        return {each["principal"]: each["privileges"] for each in found}

    select, use = Privilege.SELECT, Privilege.USE_SCHEMA
    assert change([use, select], []) == {"readers": ["SELECT", "USE_SCHEMA"]}
    assert change([], [select]) == {"readers": ["USE_SCHEMA"]}
    assert change([select], [Privilege.ALL_PRIVILEGES]) == {"readers": ["SELECT"]}
    client.schemas.delete(schema)
    client.schemas.create("granted", "dev")
    assert client.grants.get("schema", schema).as_dict() == {}
    with pytest.raises(NotFound, match=r"Schema 'dev\.none' does not exist"):
        client.grants.get("schema", "dev.none")
