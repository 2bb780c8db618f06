import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from laptop import connection
from laptop.engine.session import connect
from laptop.workspace.serving_faults import FILE

from ...conftest import Shown, Toy, write_toy
from .conftest import ROW, config, entity
from .logged import prepare
from .test_traffic import bounds

SENDING = ("traffic", "--endpoint", "split", "--rate", "40", "--seconds", "2")


@pytest.fixture(scope="module")
def serving(folder: Path) -> Iterator[Toy]:
    """Yield a workspace whose endpoint `split` serves version 1 and 2 to 75 and 25 %."""
    with pytest.MonkeyPatch.context() as patch:
        # No task runs here.
        patch.setenv("LAPTOP_NO_FORK", "1")
        toy = write_toy(folder / "traffic")
        logged = prepare(toy)
        client: WorkspaceClient = logged.client
        wanted = config(entity(1, name="old"), entity(2, name="new"), old=75, new=25)
        client.serving_endpoints.create_and_wait("split", config=wanted)
        yield toy
        connection.stop(toy.state_dir)


def figures(shown: Shown) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shown.out)
    return found


def test_traffic_is_shown_by_served_entity(serving: Toy) -> None:
    shown = serving.call(*SENDING)

    assert shown.status == 0, shown.err
    title, *lines = (line.split() for line in shown.out.splitlines() if line.strip())
    assert title == ["served", "entity", "requests", "share", "non-2xx", "p50", "p95"]
    assert [line[0] for line in lines[:3]] == ["new", "old", "all"]
    new, old, every = (int(line[1]) for line in lines[:3])
    assert new + old == every == 80
    assert new in bounds(80, 25)
    assert [line[3] for line in lines[:3]] == ["0", "0", "0"]
    assert " ".join(lines[3]).startswith(f"{float(lines[3][0])} requests a second for ")


def test_failed_requests_end_the_command_with_an_error(serving: Toy) -> None:
    (serving.state_dir.path / FILE).write_text("new: {error_share: 1}\nold: {delay_ms: 60}\n")
    try:
        shown = serving.call(*SENDING, "-o", "json")
        allowed = serving.call(*SENDING, "--allow-errors")
    finally:
        (serving.state_dir.path / FILE).unlink()

    assert (shown.status, allowed.status) == (1, 0)
    found = figures(shown)
    new, old = found["served_entities"]["new"], found["served_entities"]["old"]
    assert (new["requests"], old["non_2xx"]) == (new["non_2xx"], 0)
    assert found["non_2xx"] == new["requests"] > 0
    assert 60 <= old["p50_ms"] <= old["p95_ms"]
    said = f"{new['requests']} requests were not answered 2xx ({new['requests']} of 500). The first"
    assert said in shown.err
    assert "a fault of served entity 'new'" in shown.err
    assert "requests were not answered 2xx" in allowed.err


def test_rows_are_of_a_file_or_of_a_table_with_what_it_lacks_of_the_example(
    serving: Toy, tmp_path: Path
) -> None:
    session = connect(serving.open().spark)
    session.sql(
        "CREATE TABLE dev.shop.asked AS SELECT CAST(id AS DOUBLE) AS distance, 'x' AS other, "
        "TIMESTAMP '2013-11-01 10:00:00' AS decision_at FROM range(5)"
    ).collect()
    session.stop()
    file = tmp_path / "rows.json"
    file.write_text(json.dumps({"dataframe_records": [ROW, {"origin": "EWR"}]}))

    from_table = serving.call(*SENDING, "--table", "dev.shop.asked", "-o", "json")
    from_file = serving.call(*SENDING, "--rows", str(file), "-o", "json", "--allow-errors")

    assert from_table.status == 0, from_table.err
    assert figures(from_table)["requests"] == 80
    # A row that lacks a column is refused, as ever.
    assert figures(from_file)["non_2xx"] == 40


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--endpoint", "lost"], "Endpoint 'lost' does not exist. There are: split."),
        (["--endpoint", "split", "--rows", "none.json"], "none.json cannot be read as JSON"),
        (["--endpoint", "split", "--rows", "a.json", "--table", "t"], "exclude each other"),
        (["--endpoint", "split", "--table", "dev.shop.none"], "Table or view not found: none"),
    ],
)
def test_traffic_that_cannot_be_sent_is_refused(
    serving: Toy, arguments: list[str], said: str
) -> None:
    shown = serving.call("traffic", *arguments)
    assert shown.status == 1
    assert said in shown.err
