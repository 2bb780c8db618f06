import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from laptop.jobs.task_environment import RUNTIME, TASK_VALUES


@pytest.fixture
def dbutils(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv(TASK_VALUES, str(tmp_path / "mine.values.json"))
    return runpy.run_path(str(RUNTIME / "dbruntime" / "dbutils.py"))["DbUtils"]()


def test_values_are_left_for_others_one_by_one(dbutils: Any, tmp_path: Path) -> None:
    dbutils.jobs.taskValues.set("uri", "models:/m/1")
    dbutils.jobs.taskValues.set(key="rows", value={"n": [1, 2.5, None]})
    dbutils.jobs.taskValues.set("uri", "models:/m/2")
    left = json.loads((tmp_path / "mine.values.json").read_text())
    assert left == {"uri": "models:/m/2", "rows": {"n": [1, 2.5, None]}}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("", 1, "needs a name"),
        (None, 1, "needs a name"),
        ("x", float("nan"), "'x' is not JSON"),
        ("x", [float("inf")], "'x' is not JSON"),
        ("x", object(), "'x' is not JSON"),
        ("x", "a" * (48 * 1024 - 1), "49153 bytes; 49152 fit"),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused(
    dbutils: Any, tmp_path: Path, key: Any, value: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        dbutils.jobs.taskValues.set(key, value)
    assert not (tmp_path / "mine.values.json").exists()


def test_48_kib_fit(dbutils: Any, tmp_path: Path) -> None:
    dbutils.jobs.taskValues.set("x", "a" * (48 * 1024 - 2))
    assert len(json.loads((tmp_path / "mine.values.json").read_text())["x"]) == 49150


def test_another_task_is_asked_by_key(dbutils: Any, tmp_path: Path) -> None:
    (tmp_path / "train.values.json").write_text('{"uri": "models:/m/1", "zero": 0}')
    get = dbutils.jobs.taskValues.get
    assert get(taskKey="train", key="uri", debugValue="x") == "models:/m/1"
    assert get("train", "zero", default=5) == 0
    assert get("train", "url", default="none") == "none"
    with pytest.raises(ValueError, match=r"'train' set no value 'url'.*'uri', 'zero'"):
        get("train", "url")
    with pytest.raises(ValueError, match="'test' set no value 'uri'"):
        get("test", "uri")


def test_what_is_not_built_refuses_by_name(dbutils: Any) -> None:
    with pytest.raises(NotImplementedError, match=r"dbutils\.widgets is not supported"):
        dbutils.widgets.get("x")
