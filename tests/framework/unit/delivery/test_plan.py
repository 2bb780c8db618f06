"""Differences between plans that count, and those that are ignored."""

import json
from pathlib import Path
from typing import Any

import pytest

from delivery.commands import DeliveryError
from delivery.plan import find_differences, hash_wheel, keep_decided

ENTRY: dict[str, Any] = {
    "action": "update",
    "new_state": {"value": {"name": "model_training"}},
    "remote_state": {"updated_at": 1},
    "changes": {
        "tasks[0]": {"action": "update", "old": "a", "new": "b"},
        "updated_at": {"action": "skip", "reason": "backend_default", "remote": 1},
    },
}
PLAN: dict[str, Any] = {
    "target": "prod",
    "commit": "1f",
    "wheel": "w.whl sha256:0",
    "state": {"lineage": "x", "serial": 3},
    "resources": {"resources.jobs.model_training": keep_decided(ENTRY)},
}


def test_a_plan_that_says_the_same_is_the_same_after_a_file() -> None:
    assert find_differences(json.loads(json.dumps(PLAN, sort_keys=True)), PLAN) == []


def test_what_the_workspace_reports_of_itself_is_no_difference() -> None:
    moved = json.loads(json.dumps(ENTRY).replace('"updated_at": 1', '"updated_at": 2'))
    moved["changes"]["updated_at"]["remote"] = 2
    assert keep_decided(moved) == keep_decided(ENTRY)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("commit", "2e", "commit: planned 1f, now 2e"),
        ("wheel", "w.whl sha256:1", "wheel: planned w.whl sha256:0, now w.whl sha256:1"),
        ("state", {"lineage": "x", "serial": 4}, "serial"),
        ("target", "staging", "target: planned prod, now staging"),
        ("resources", {}, "model_training: planned update, now absent"),
        (
            "resources",
            {"resources.jobs.model_training": keep_decided({**ENTRY, "action": "recreate"})},
            "planned update, now recreate",
        ),
        (
            "resources",
            {"resources.jobs.model_training": keep_decided({**ENTRY, "new_state": {}})},
            "another update",
        ),
        (
            "resources",
            {**PLAN["resources"], "resources.schemas.more": keep_decided({"action": "create"})},
            "resources.schemas.more: planned absent, now create",
        ),
    ],
)
def test_what_differs_is_named(key: str, value: object, says: str) -> None:
    (difference,) = find_differences(PLAN, {**PLAN, key: value})
    assert says in difference


def test_a_hand_made_edit_that_the_deploy_would_undo_is_a_difference() -> None:
    edited = json.loads(json.dumps(ENTRY))
    edited["changes"]["tasks[0]"]["remote"] = "by hand"
    now = {**PLAN, "resources": {"resources.jobs.model_training": keep_decided(edited)}}
    assert find_differences(PLAN, now) == ["resources.jobs.model_training: another update"]


def test_a_plan_file_without_content_matches_nothing() -> None:
    assert len(find_differences({}, PLAN)) == 5


@pytest.mark.parametrize("wheels", [[], ["a.whl", "b.whl"]])
def test_only_one_wheel_can_be_released(tmp_path: Path, wheels: list[str]) -> None:
    for wheel in wheels:
        (tmp_path / wheel).touch()
    with pytest.raises(DeliveryError, match="must hold one wheel"):
        hash_wheel(tmp_path)


def test_a_wheel_is_told_from_another_by_its_bytes(tmp_path: Path) -> None:
    wheel = tmp_path / "a.whl"
    wheel.write_bytes(b"1")
    first = hash_wheel(tmp_path)
    wheel.write_bytes(b"2")
    assert hash_wheel(tmp_path) != first
