"""Predictions are sent from their table exactly once, despite retries, kills and errors."""

import io
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from laptop.features.online import OnlineStore

from flight_delays.config.serving import load_serving
from flight_delays.problem import PROBLEM

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy
from tests.declared import ROOT as ROOT_FOLDER
from tests.problem.instants import FIRST

VOLUME = f"{SCHEMA}.outputs"
ROOT = f"/Volumes/{VOLUME.replace('.', '/')}/predictions"
KEYS = list(PROBLEM.keys)

# `send` runs the task with another conf/outputs.yml.
TASK = f"""
import json
import os
from datetime import UTC, datetime
import pandas as pd
from databricks.sdk.errors import PermissionDenied
from flight_delays.config.outputs import Outputs
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.errors import LakehouseError
from flight_delays.tasks import outputs

lakehouse = Lakehouse()
spark, files = lakehouse.spark, lakehouse.workspace.files

def send(volume={VOLUME!r}, store="online-store", connection="", **configured):
    configured = {{"files": "none", "lookback_days": 7, **configured}}
    outputs.load_outputs = lambda: Outputs(**configured)
    parameters = outputs.OutputParameters(
        target={SCHEMA!r}, volume=volume, online_store=store, jdbc_connection=connection,
        scored_at=datetime.now(UTC),
    )
    try:
        outputs.run(parameters, lakehouse)
    except LakehouseError as error:
        print("REFUSED", type(error).__name__, error)

def add(at, times=1):
    # Predictions that another run has made.
    table = spark.table("{SCHEMA}.predictions")
    rows = table.orderBy({KEYS[0]!r}).limit(times).toPandas().assign(scored_at=pd.Timestamp(at))
    new = spark.createDataFrame(rows, table.schema)
    new.write.mode("append").saveAsTable("{SCHEMA}.predictions")

def end(*_, **__):
    print("cut", flush=True)
    os._exit(0)

def refuse(*_, **__):
    raise PermissionDenied("User does not have WRITE VOLUME.")
"""


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, trained_state: Path) -> Iterator[Laptop]:
    """Yield a workspace whose predictions are only in their table."""
    with open_copy(trained_state, tmp_path_factory.mktemp("scored")) as laptop:
        yield laptop


@pytest.fixture
def client(scored: Laptop) -> WorkspaceClient:
    environment = scored.task_environment()
    return WorkspaceClient(host=environment.address, token=environment.token)


def send(laptop: Laptop, code: str) -> str:
    return laptop.execute(TASK + code)


def folders(client: WorkspaceClient) -> dict[str, dict[str, Any] | None]:
    """Return the manifest of each folder, None if it has none."""
    found: dict[str, dict[str, Any] | None] = {}
    for folder in client.files.list_directory_contents(ROOT):
        names = [file.name for file in client.files.list_directory_contents(str(folder.path))]
        found[str(folder.name)] = (
            json.loads(read(client, f"{folder.path}/_manifest.json"))
            if "_manifest.json" in names
            else None
        )
    return found


def read(client: WorkspaceClient, path: str) -> str:
    contents = client.files.download(path).contents
    assert contents is not None
    with contents as file:
        return file.read().decode()


def count(laptop: Laptop, where: str = "true") -> int:
    (row,) = laptop.sql(f"SELECT count(*) AS n FROM {SCHEMA}.predictions WHERE {where}")
    return int(row["n"])


def difference(laptop: Laptop) -> list[int]:
    """Return the numbers of predictions only in the table and only in the files."""
    code = f"""
table = spark.table("{SCHEMA}.predictions")
written = spark.read.parquet("{ROOT}/*/").select(table.columns)
print(json.dumps([table.exceptAll(written).count(), written.exceptAll(table).count()]))
"""
    left: list[int] = json.loads(laptop.execute(TASK + code).splitlines()[-1])
    return left


def test_an_output_that_is_not_configured_is_skipped_and_said(scored: Laptop) -> None:
    printed = scored.succeed("batch_inference", FIRST)
    assert "files: not configured in conf/outputs.yml, skipped" in printed
    assert "online: not configured in conf/outputs.yml, skipped" in printed


def test_files_killed_before_their_manifest_are_written_by_the_next_run_once(
    scored: Laptop, client: WorkspaceClient
) -> None:
    cut = send(scored, "files.upload = end\nsend(files='parquet')")
    assert cut.endswith("cut\n")
    assert list(folders(client).values()) == [None]
    done = send(scored, "send(files='parquet')\nsend(files='parquet')")
    assert f"files: {count(scored):,} predictions written to {ROOT}/run=" in done
    assert f"files: {ROOT} has all predictions since" in done
    ((name, manifest),) = folders(client).items()
    assert manifest is not None
    assert manifest["rows"] == count(scored)
    assert manifest["model_versions"] == [1]
    listed = client.files.list_directory_contents(f"{ROOT}/{name}")
    sizes = {file.name: file.file_size for file in listed if file.name != "_manifest.json"}
    assert manifest["files"] == sizes
    assert difference(scored) == [0, 0]


def test_a_run_that_is_repeated_replaces_its_own_folder_and_no_other(
    scored: Laptop, client: WorkspaceClient
) -> None:
    at = "2030-01-01 00:00:00.000001"
    send(scored, f"add('{at}')\nsend(files='parquet')")
    before = folders(client)
    send(scored, f"add('{at}', 2)\nsend(files='parquet')")
    after = folders(client)
    changed = [name for name in after if after[name] != before[name]]
    assert changed == ["run=20300101T000000.000001Z"]
    assert (after[changed[0]] or {})["rows"] == count(scored, f"scored_at = '{at}'") > 1
    assert difference(scored) == [0, 0]


def test_a_format_that_is_changed_replaces_the_files(
    scored: Laptop, client: WorkspaceClient
) -> None:
    send(scored, "send(files='parquet')\nsend(files='csv')")
    lines = 0
    for name, manifest in folders(client).items():
        assert manifest is not None
        for file in manifest["files"]:
            header, *rows = read(client, f"{ROOT}/{name}/{file}").splitlines()
            assert header == ",".join(manifest["columns"])
            lines += len(rows)
    assert lines == count(scored)
    send(scored, "send(files='parquet')")
    assert difference(scored) == [0, 0]


def test_the_page_shows_what_is_there(scored: Laptop) -> None:
    page = (ROOT_FOLDER / "docs" / "outputs.md").read_text()
    (command,) = (line for line in page.splitlines() if line.startswith("uv run laptop sql "))
    statement = shlex.split(command)[-1]
    (row,) = scored.sql(statement)
    assert [int(value) for value in row.values()] == [1, count(scored)]


def test_runs_before_the_days_to_look_back_are_left(scored: Laptop) -> None:
    printed = send(scored, "add('2013-01-01 00:00:00')\nsend(files='parquet')")
    assert "files: /Volumes" in printed
    assert "has all predictions since" in printed
    assert difference(scored) == [1, 0]


def test_a_volume_that_is_not_there_is_named(scored: Laptop) -> None:
    printed = send(scored, f"send(volume='{SCHEMA}.none', files='parquet')")
    assert "REFUSED OutputError" in printed
    assert f"Volume {SCHEMA}.none cannot be used" in printed
    assert "Deploy the bundle" in printed


def test_a_write_that_is_refused_leaves_no_manifest_and_says_what_to_grant(
    scored: Laptop, client: WorkspaceClient
) -> None:
    before = folders(client)
    printed = send(
        scored, "add('2030-01-02 00:00:00')\nfiles.upload = refuse\nsend(files='parquet')"
    )
    assert "was not written: User does not have WRITE VOLUME. It has no manifest" in printed
    assert "Grant WRITE VOLUME" in printed
    new = {name: manifest for name, manifest in folders(client).items() if name not in before}
    assert list(new.values()) == [None]
    assert "predictions written to" in send(scored, "send(files='parquet')")


def test_files_that_cannot_be_written_are_written_once_they_can_be(
    scored: Laptop, client: WorkspaceClient
) -> None:
    inside = f"{ROOT}/run=20300104T000000.000000Z"
    client.files.upload(inside, io.BytesIO(b"a file where the folder belongs"))
    printed = send(scored, "add('2030-01-04 00:00:00')\nsend(files='parquet')")
    assert f"REFUSED OutputError {inside} was not written" in printed
    assert "or make room" in printed
    client.files.delete(inside)
    assert f"1 predictions written to {inside}" in send(scored, "send(files='parquet')")


def test_a_manifest_that_was_tampered_with_is_refused(
    scored: Laptop, client: WorkspaceClient
) -> None:
    name = next(name for name, manifest in folders(client).items() if manifest is not None)
    client.files.upload(f"{ROOT}/{name}/_manifest.json", io.BytesIO(b"{"), overwrite=True)
    printed = send(scored, "send(files='parquet')")
    assert "is not JSON" in printed
    client.files.delete(f"{ROOT}/{name}/_manifest.json")
    assert f"written to {ROOT}/{name}" in send(scored, "send(files='parquet')")


@pytest.mark.skipif(not load_serving().endpoint, reason="there is no online store")
def test_the_latest_prediction_of_each_key_is_online(
    scored: Laptop, client: WorkspaceClient
) -> None:
    latest = f"{SCHEMA}.latest_predictions"
    cut = send(scored, "outputs.publish_features = end\nsend(online=True)")
    assert cut.endswith("cut\n")
    done = send(scored, "send(online=True)\nsend(online=True)")
    assert f"online: {latest}_online shows the predictions up to" in done
    assert f"online: {latest}_online shows all predictions up to" in done
    (rows,) = scored.sql(
        f"SELECT count(*) AS rows, count(DISTINCT {KEYS[0]}) AS keys, max(scored_at) AS at, "
        f"(SELECT count(DISTINCT {KEYS[0]}) FROM {SCHEMA}.predictions) AS predicted FROM {latest}"
    )
    assert int(rows["rows"]) == int(rows["keys"]) == int(rows["predicted"])
    assert str(rows["at"]).startswith("2030-01-04")
    (row,) = scored.sql(
        f"SELECT {KEYS[0]}, prediction FROM {latest} ORDER BY scored_at DESC LIMIT 1"
    )
    store = OnlineStore(scored.home.path)
    try:
        shown = store.lookup(store.find(latest, ()), [[row[KEYS[0]]]], ["prediction"])
    finally:
        store.close()
    assert shown == [{"prediction": pytest.approx(float(row["prediction"]))}]
    synced = client.database.get_synced_database_table(f"{latest}_online")
    assert synced.spec is not None
    assert synced.spec.primary_key_columns == KEYS


@pytest.mark.skipif(not load_serving().endpoint, reason="there is no online store")
def test_an_output_that_fails_holds_up_no_other(scored: Laptop, client: WorkspaceClient) -> None:
    printed = send(
        scored, "add('2030-01-05 00:00:00')\nsend(files='parquet', online=True, store='')"
    )
    assert "predictions written to" in printed
    assert "REFUSED OutputError" in printed
    assert "no online store is named" in printed
    assert "run=20300105T000000.000000Z" in folders(client)


def test_predictions_of_another_shape_are_refused(scored: Laptop) -> None:
    code = f"""
spark.sql("ALTER TABLE {SCHEMA}.predictions RENAME TO {SCHEMA}.aside")
spark.sql("CREATE TABLE {SCHEMA}.predictions AS SELECT {KEYS[0]} FROM {SCHEMA}.aside")
send(files="parquet")
spark.sql("DROP TABLE {SCHEMA}.predictions")
send(files="parquet")
spark.sql("ALTER TABLE {SCHEMA}.aside RENAME TO {SCHEMA}.predictions")
"""
    printed = send(scored, code)
    assert "REFUSED SchemaChangedError" in printed
    assert "then run batch_inference: it creates the table again" in printed
    assert f"{SCHEMA}.predictions does not exist yet: nothing is sent." in printed


def test_teardown_deletes_what_was_sent(scored: Laptop, client: WorkspaceClient) -> None:
    code = f"""
from flight_delays.tasks import teardown
parameters = teardown.TeardownParameters(
    environment="dev", model={MODEL!r}, target={SCHEMA!r}, volume={VOLUME!r}
)
teardown.run(parameters, lakehouse)
teardown.run(parameters, lakehouse)
"""
    printed = send(scored, code)
    assert f"folder {ROOT} deleted" in printed
    assert list(client.files.list_directory_contents(f"/Volumes/{VOLUME.replace('.', '/')}")) == []
