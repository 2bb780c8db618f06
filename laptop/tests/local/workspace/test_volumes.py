import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, ResourceAlreadyExists, ResourceConflict
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.catalog import PermissionsChange, Privilege, VolumeType
from laptop.connection import Connection
from laptop.engine.session import connect
from laptop.state_dir import StateDir
from pyspark.errors import PySparkException
from pyspark.sql.connect.session import SparkSession

from ...conftest import Jobs, execute, results


@pytest.fixture(scope="module")
def spark(there: Connection) -> Iterator[SparkSession]:
    session = connect(there.spark)
    yield session
    session.stop()


@pytest.fixture(scope="module")
def schema(client: WorkspaceClient) -> str:
    return str(client.schemas.create("shelves", "dev").full_name)


@pytest.fixture
def volume(client: WorkspaceClient, schema: str, request: pytest.FixtureRequest) -> str:
    """Return the path of a volume of the test's own."""
    catalog, name = schema.split(".")
    made = client.volumes.create(catalog, name, request.node.name[5:], VolumeType.MANAGED)
    return f"/Volumes/{str(made.full_name).replace('.', '/')}"


def put(client: WorkspaceClient, path: str, text: str, overwrite: bool | None = None) -> None:
    client.files.upload(path, io.BytesIO(text.encode()), overwrite=overwrite)


def read(client: WorkspaceClient, path: str) -> str:
    contents = client.files.download(path).contents
    assert contents is not None
    with contents as file:
        return file.read().decode()


def folders(state_dir: StateDir) -> set[Path]:
    return set((state_dir.path / "volumes").glob("*"))


def test_a_volume_is_made_changed_and_removed_with_its_files(
    client: WorkspaceClient, schema: str, shared: StateDir
) -> None:
    before = folders(shared)
    made = client.volumes.create("dev", "Shelves", "Brief", VolumeType.MANAGED, comment="short")
    assert (made.full_name, made.volume_type) == ("dev.shelves.brief", VolumeType.MANAGED)
    assert "brief" in [volume.name for volume in client.volumes.list("dev", "shelves")]
    with pytest.raises((ResourceAlreadyExists, ResourceConflict), match="already exists"):
        client.volumes.create("dev", "shelves", "brief", VolumeType.MANAGED)
    put(client, "/Volumes/dev/shelves/brief/a", "one")
    client.volumes.update(f"{schema}.brief", comment="long", new_name="longer")
    assert client.volumes.read(f"{schema}.longer").comment == "long"
    assert read(client, "/Volumes/dev/shelves/longer/a") == "one"
    client.volumes.delete(f"{schema}.longer")
    assert folders(shared) == before
    with pytest.raises(NotFound, match="longer' does not exist"):
        client.volumes.read(f"{schema}.longer")


def test_a_volume_needs_its_schema_and_holds_it(client: WorkspaceClient) -> None:
    with pytest.raises(NotFound, match=r"Schema 'dev\.nowhere' does not exist"):
        client.volumes.create("dev", "nowhere", "a", VolumeType.MANAGED)
    client.schemas.create("full", "dev")
    client.volumes.create("dev", "full", "a", VolumeType.MANAGED)
    with pytest.raises(BadRequest, match="not empty: it has a"):
        client.schemas.delete("dev.full")
    client.schemas.delete("dev.full", force=True)
    client.schemas.create("full", "dev")
    assert list(client.volumes.list("dev", "full")) == []


@pytest.mark.usefixtures("schema")
def test_an_external_volume_is_refused(client: WorkspaceClient) -> None:
    with pytest.raises(DatabricksError, match="external volume is not supported"):
        client.volumes.create(
            "dev", "shelves", "outside", VolumeType.EXTERNAL, storage_location="s3://elsewhere"
        )


def test_privileges_on_a_volume_are_recorded(client: WorkspaceClient, volume: str) -> None:
    name = volume.removeprefix("/Volumes/").replace("/", ".")
    change = PermissionsChange(add=[Privilege.READ_VOLUME], principal="readers")
    client.grants.update("volume", name, changes=[change])
    (held,) = client.grants.get("volume", name).privilege_assignments or []
    assert (held.principal, held.privileges) == ("readers", [Privilege.READ_VOLUME])


def test_sql_makes_and_drops_volumes(
    client: WorkspaceClient, spark: SparkSession, schema: str
) -> None:
    spark.sql(f"CREATE VOLUME {schema}.by_sql COMMENT 'made'").collect()
    assert client.volumes.read(f"{schema}.by_sql").comment == "made"
    spark.sql(f"CREATE VOLUME IF NOT EXISTS {schema}.by_sql").collect()
    with pytest.raises(PySparkException, match="already exists"):
        spark.sql(f"CREATE VOLUME {schema}.by_sql").collect()
    spark.sql(f"DROP VOLUME {schema}.by_sql").collect()
    spark.sql(f"DROP VOLUME IF EXISTS {schema}.by_sql").collect()
    with pytest.raises(PySparkException, match="does not exist"):
        spark.sql(f"DROP VOLUME {schema}.by_sql").collect()
    with pytest.raises(
        PySparkException, match="CREATE EXTERNAL VOLUME is not supported on the laptop"
    ):
        spark.sql(f"CREATE EXTERNAL VOLUME {schema}.a LOCATION 's3://a'").collect()


def test_a_file_is_put_read_listed_and_removed(client: WorkspaceClient, volume: str) -> None:
    put(client, f"{volume}/deep/a b.txt", "one")
    assert read(client, f"{volume}/deep/a b.txt") == "one"
    facts = client.files.get_metadata(f"{volume}/deep/a b.txt")
    assert (facts.content_length, bool(facts.last_modified)) == (3, True)
    (file,) = client.files.list_directory_contents(f"{volume}/deep")
    assert (file.path, file.name) == (f"{volume}/deep/a b.txt", "a b.txt")
    assert (file.is_directory, file.file_size) == (False, 3)
    (inner,) = client.files.list_directory_contents(volume)
    assert (inner.name, inner.is_directory) == ("deep", True)
    client.files.delete(f"{volume}/deep/a b.txt")
    assert list(client.files.list_directory_contents(f"{volume}/deep")) == []
    with pytest.raises(NotFound):
        client.files.get_metadata(f"{volume}/deep/a b.txt")
    with pytest.raises(NotFound, match="file being accessed is not found"):
        read(client, f"{volume}/deep/a b.txt")


def test_a_file_is_replaced_unless_it_may_not_be(client: WorkspaceClient, volume: str) -> None:
    put(client, f"{volume}/a", "one")
    with pytest.raises((ResourceAlreadyExists, ResourceConflict), match="already exists"):
        put(client, f"{volume}/a", "two", overwrite=False)
    assert read(client, f"{volume}/a") == "one"
    put(client, f"{volume}/a", "two")
    assert read(client, f"{volume}/a") == "two"
    with pytest.raises((ResourceAlreadyExists, ResourceConflict)):
        put(client, f"{volume}/a/b", "three")
    assert [file.name for file in client.files.list_directory_contents(volume)] == ["a"]


def test_a_folder_is_made_and_removed_when_it_is_empty(
    client: WorkspaceClient, volume: str
) -> None:
    client.files.create_directory(f"{volume}/x/y")
    client.files.create_directory(f"{volume}/x/y")
    client.files.get_directory_metadata(f"{volume}/x/y")
    with pytest.raises(BadRequest, match="not empty"):
        client.files.delete_directory(f"{volume}/x")
    client.files.delete_directory(f"{volume}/x/y")
    client.files.delete_directory(f"{volume}/x")
    with pytest.raises(NotFound):
        client.files.get_directory_metadata(f"{volume}/x")
    with pytest.raises(NotFound, match="directory being accessed is not found"):
        list(client.files.list_directory_contents(f"{volume}/x"))
    with pytest.raises(BadRequest, match="is a volume"):
        client.files.delete_directory(volume)


def test_a_long_list_comes_in_pages(client: WorkspaceClient, volume: str) -> None:
    for number in range(5):
        put(client, f"{volume}/{number}", "")
    found = client.files.list_directory_contents(volume, page_size=2)
    assert [file.name for file in found] == list("01234")


@pytest.mark.parametrize("path", ["/Volumes/dev/shelves", "/Volumes/dev/shelves/v/../../w", "/tmp"])
def test_a_path_that_names_no_volume_is_refused(client: WorkspaceClient, path: str) -> None:
    with pytest.raises(BadRequest, match="must be /Volumes/<catalog>/<schema>/<volume>"):
        client.files.create_directory(path)


def test_a_volume_that_is_not_there_is_named(client: WorkspaceClient, spark: SparkSession) -> None:
    with pytest.raises(NotFound, match=r"Volume 'dev\.shelves\.none' does not exist"):
        put(client, "/Volumes/dev/shelves/none/a", "one")
    with pytest.raises(PySparkException, match=r"Volume 'dev\.shelves\.none' does not exist"):
        spark.range(1).write.parquet("/Volumes/dev/shelves/none/a")


def test_spark_reads_and_writes_files_of_a_volume(
    client: WorkspaceClient, spark: SparkSession, volume: str
) -> None:
    rows = spark.range(10)
    rows.write.parquet(f"{volume}/numbers")
    with pytest.raises(PySparkException, match="PATH_ALREADY_EXISTS"):
        rows.write.parquet(f"{volume}/numbers")
    rows.limit(3).write.mode("overwrite").parquet(f"dbfs:{volume}/numbers")
    assert spark.read.parquet(f"{volume}/numbers").count() == 3
    rows.write.mode("append").format("parquet").option("path", f"{volume}/numbers").save()
    assert spark.read.format("parquet").load(f"{volume}/numbers").count() == 13
    assert spark.sql(f"SELECT count(*) AS n FROM parquet.`{volume}/numbers`").collect()[0].n == 13
    listed = list(client.files.list_directory_contents(f"{volume}/numbers"))
    assert len(listed) == 2
    assert all(str(file.name).endswith(".parquet") for file in listed)


def test_spark_reads_what_the_files_api_wrote(
    client: WorkspaceClient, spark: SparkSession, volume: str
) -> None:
    put(client, f"{volume}/in/a.csv", "id,name\n1,one\n2,two\n")
    put(client, f"{volume}/in/_manifest.json", "{}")
    frame = spark.read.csv(f"{volume}/in", header=True, schema="id INT, name STRING")
    assert [tuple(row) for row in frame.orderBy("id").collect()] == [(1, "one"), (2, "two")]


def test_a_path_at_which_nothing_is_cannot_be_read(spark: SparkSession, volume: str) -> None:
    with pytest.raises(PySparkException, match="PATH_NOT_FOUND"):
        spark.read.parquet(f"{volume}/nothing").count()


def test_the_files_of_python_do_not_show_volumes(
    client: WorkspaceClient, jobs: Jobs, volume: str
) -> None:
    put(client, f"{volume}/a", "one")
    code = f"import pathlib; assert not pathlib.Path('{volume}/a').exists()"
    assert results(jobs.run(execute("looks", code))) == {"looks": "SUCCESS"}
