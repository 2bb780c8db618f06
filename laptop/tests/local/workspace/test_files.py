import contextlib
import threading
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, ResourceAlreadyExists, ResourceConflict
from databricks.sdk.service.workspace import ObjectType
from laptop.connection import Connection, RequestRefused
from laptop.state_dir import StateDir
from laptop.workspace.errors import ApiError
from laptop.workspace.state import State
from laptop.workspace.tree import FileTree

HERE = "/Workspace/Users/laptop@localhost/files"
IMPORT = "/api/2.0/workspace-files/import-file"


@pytest.fixture
def place(client: WorkspaceClient, request: pytest.FixtureRequest) -> str:
    """Return a folder of the test's own."""
    path = f"{HERE}/{request.node.name}"
    client.workspace.mkdirs(path)
    return path


def put(client: WorkspaceClient, path: str, text: str, overwrite: bool = False) -> None:
    query = {"overwrite": "true" if overwrite else "false"}
    client.api_client.do("POST", f"{IMPORT}{path}", query=query, data=text.encode())


def read(client: WorkspaceClient, path: str) -> str:
    with client.workspace.download(path) as file:
        return file.read().decode()


def test_a_file_is_put_read_listed_and_removed(client: WorkspaceClient, place: str) -> None:
    put(client, f"{place}/a b.txt", "one")
    assert read(client, f"{place}/a b.txt") == "one"
    (found,) = client.workspace.list(place)
    assert (found.path, found.object_type, found.size) == (f"{place}/a b.txt", ObjectType.FILE, 3)
    status = client.workspace.get_status(f"{place}/a b.txt")
    assert status.object_id == found.object_id
    client.workspace.delete(f"{place}/a b.txt")
    assert list(client.workspace.list(place)) == []
    with pytest.raises(NotFound, match="doesn't exist"):
        client.workspace.get_status(f"{place}/a b.txt")


def test_a_path_is_the_same_with_and_without_workspace(client: WorkspaceClient, place: str) -> None:
    put(client, f"{place}/a", "one")
    short = place.removeprefix("/Workspace")
    assert read(client, f"{short}/a") == "one"
    assert [found.path for found in client.workspace.list(short)] == [f"{short}/a"]
    same = client.workspace.get_status(place).object_id
    assert client.workspace.get_status(short).object_id == same


def test_a_file_is_replaced_only_when_asked_to(client: WorkspaceClient, place: str) -> None:
    put(client, f"{place}/a", "one")
    with pytest.raises((ResourceAlreadyExists, ResourceConflict), match="already exists"):
        put(client, f"{place}/a", "two")
    assert read(client, f"{place}/a") == "one"
    put(client, f"{place}/a", "two", overwrite=True)
    assert read(client, f"{place}/a") == "two"


def test_of_many_that_make_one_file_at_once_one_succeeds(tmp_path: Path) -> None:
    state = State(tmp_path)
    tree = FileTree(state)
    made: list[tuple[int, bytes]] = []
    barrier = threading.Barrier(4)

    def make(number: int) -> None:
        content = b"%d" % number * 100_000
        for file in range(20):
            barrier.wait()
            with contextlib.suppress(ApiError):
                tree.write(f"/Shared/{file}", content, overwrite=False)
                made.append((file, content))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [file for file, _ in sorted(made)] == list(range(20))
    assert all(tree.read(f"/Shared/{file}") == content for file, content in made)
    state.close()


def test_a_file_needs_its_folder(client: WorkspaceClient, place: str) -> None:
    with pytest.raises(NotFound, match=r"parent folder .*/deep\) does not exist"):
        put(client, f"{place}/deep/a", "one")
    client.workspace.mkdirs(f"{place}/deep/er")
    put(client, f"{place}/deep/a", "one")
    with pytest.raises((BadRequest, ResourceAlreadyExists), match="already exists"):
        put(client, f"{place}/deep", "one", overwrite=True)
    with pytest.raises((BadRequest, ResourceAlreadyExists), match="already exists"):
        client.workspace.mkdirs(f"{place}/deep/a/b")


def test_a_folder_that_holds_something_is_removed_with_all_of_it_or_not(
    client: WorkspaceClient, place: str
) -> None:
    put(client, f"{place}/a", "one")
    with pytest.raises(BadRequest, match="is not empty"):
        client.workspace.delete(place)
    before = client.workspace.get_status(f"{place}/a").object_id
    client.workspace.delete(place, recursive=True)
    with pytest.raises(NotFound):
        client.workspace.get_status(place)
    client.workspace.mkdirs(place)
    put(client, f"{place}/a", "one")
    assert client.workspace.get_status(f"{place}/a").object_id != before


@pytest.mark.parametrize("path", ["/", "/Workspace", "/Users", "/Users/laptop@localhost"])
def test_what_every_workspace_has_must_stay(client: WorkspaceClient, path: str) -> None:
    with pytest.raises(BadRequest, match="must stay"):
        client.workspace.delete(path, recursive=True)


@pytest.mark.parametrize(
    "path", ["/Users/../../etc/passwd", "/Workspace/..", "relative", "", "/a/./b", f"/{'x' * 256}"]
)
def test_no_path_leads_out_of_the_tree(tmp_path: Path, path: str) -> None:
    state = State(tmp_path)
    tree = FileTree(state)
    outside = set(tmp_path.rglob("*"))
    for call in (
        lambda: tree.read(path),
        lambda: tree.write(path, b"", overwrite=True),
        lambda: tree.make(path),
        lambda: tree.delete(path, recursive=True),
    ):
        with pytest.raises(ApiError, match="must begin with '/'"):
            call()
    state.close()
    assert set(tmp_path.rglob("*")) <= outside


@pytest.mark.parametrize("path", ["%2e%2e/%2e%2e/catalog.db", "Users/..%2f..%2fcatalog.db"])
def test_no_address_leads_out_of_the_tree(there: Connection, shared: StateDir, path: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        there.ask("GET", f"/api/2.0/workspace-files/{path}")
    assert caught.value.status == 400
    assert shared.catalog_db.exists()


def test_what_a_killed_workspace_had_begun_to_write_is_gone(tmp_path: Path) -> None:
    begun = StateDir(tmp_path).drafts / "half"
    begun.parent.mkdir()
    begun.write_text("ha")
    state = State(tmp_path)
    FileTree(state).write("/Shared/a", b"whole", overwrite=False)
    state.close()
    assert not begun.exists()
    assert (StateDir(tmp_path).files / "Shared/a").read_bytes() == b"whole"
