import threading
import time
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk.errors import InternalError
from databricks.sdk.service.serving import ServingEndpointsAPI
from laptop.workspace.serving_faults import FILE, VARIABLE

from ...conftest import Toy
from .conftest import ROW, Workspace, ask, config, create, entity, post
from .test_traffic import exported, parsed

GOOD = pytest.approx(1420.0)


def spoil(workspace: Workspace, text: str) -> None:
    (workspace.state_dir / FILE).write_text(text)


def scores(endpoints: ServingEndpointsAPI, rows: int = 1) -> list[Any]:
    return endpoints.query("delay", dataframe_records=[ROW] * rows).predictions or []


def statuses(workspace: Workspace, requests: int, name: str = "delay-1") -> list[int]:
    path = f"delay/served-models/{name}/invocations"
    body = b'{"dataframe_records": [{}]}'
    return [post(workspace.url, body, path=path)[0] for _ in range(requests)]


def test_faults_are_of_the_entity_or_version_that_the_file_names(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    create(endpoints)
    assert scores(endpoints) == [GOOD]

    spoil(workspace, "delay-1: {shift: 0.5}\n1: {shift: 9}\n")
    assert scores(endpoints) == [pytest.approx(1420.5)]
    spoil(workspace, "1: {shift: 9}\ndelay-2: {error_share: 1}\n")
    assert scores(endpoints) == [pytest.approx(1429.0)]
    spoil(workspace, "delay-1: {null_share: 1}")
    assert scores(endpoints, 3) == [None, None, None]
    (workspace.state_dir / FILE).unlink()
    assert scores(endpoints) == [GOOD]


def test_errors_are_a_share_of_one_entity_s_requests_and_the_same_by_seed(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    both = config(entity(1, name="old"), entity(2, name="new"), old=50, new=50)
    endpoints.create_and_wait("delay", config=both)
    spoil(workspace, "new: {error_share: 0.25, seed: 7}")

    first = statuses(workspace, 80, "new")
    spoil(workspace, "new: {error_share: 0.25, seed: 8}")
    other = statuses(workspace, 80, "new")
    spoil(workspace, "new: {error_share: 0.25, seed: 7}")

    # The plain model takes no empty row: 400, where the entity itself answers.
    assert set(first) == {400, 500}
    assert 8 <= first.count(500) <= 34
    assert other != first == statuses(workspace, 80, "new")
    assert statuses(workspace, 20, "old") == [400] * 20
    failed = parsed(exported(endpoints))[1]
    assert failed["request_5xx_count_total", "new", ""] == [*first, *other, *first].count(500)
    assert failed["request_5xx_count_total", "old", ""] == 0
    assert (
        "Version 2 answers 500: a fault of served entity 'new'"
        in endpoints.logs("delay", "new").logs
    )


def test_a_share_of_the_predictions_is_null(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    create(endpoints)
    spoil(workspace, "delay-1: {null_share: 0.25, shift: 1, seed: 3}")

    found = [one for _ in range(10) for one in scores(endpoints, 20)]

    assert 20 <= found.count(None) <= 85
    assert {round(one) for one in found if one is not None} == {1421}


def test_a_slow_entity_does_not_hold_up_the_other_or_the_api(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    both = config(entity(1, name="old"), entity(2, name="new"), old=100, new=0)
    endpoints.create_and_wait("delay", config=both)
    spoil(workspace, "new: {delay_ms: 3000}")
    slow = [threading.Thread(target=statuses, args=(workspace, 1, "new")) for _ in range(60)]
    began = time.monotonic()
    for each in slow:
        each.start()

    assert ask(endpoints) == GOOD
    assert endpoints.get("delay").name == "delay"
    quick = time.monotonic() - began
    for each in slow:
        each.join()

    assert quick < 3 <= time.monotonic() - began
    values = parsed(exported(endpoints))[1]
    assert values["request_latency_ms_bucket", "new", "2500"] == 0
    assert values["request_count_total", "new", ""] == 60


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("delay-1: {delay: 5}", "Allowed are delay_ms, error_share, null_share, shift, seed"),
        (
            "delay-1: {error_share: 1.5}",
            "delay-1: error_share: Input should be less than or equal to 1",
        ),
        ("delay-1: {delay_ms: soon}", "delay-1: delay_ms: Input should be a valid number"),
        ("delay-1: 0.5", "names of served entities, each with delay_ms"),
        ("delay-1: [", "it is not YAML"),
    ],
)
def test_a_file_that_cannot_be_used_fails_every_request(
    endpoints: ServingEndpointsAPI, workspace: Workspace, text: str, said: str
) -> None:
    create(endpoints)
    spoil(workspace, text)

    with pytest.raises(InternalError, match=f"{FILE} are unusable: .*{said}"):
        scores(endpoints)


def test_a_workspace_does_not_start_with_faults_that_are_not_there(
    lonely: Toy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.yml"))

    shown = lonely.call("up")

    assert shown.status == 1
    assert f"{VARIABLE} names a file that does not exist: {tmp_path}/none.yml." in shown.err
