import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from laptop.workspace.state import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path)
    yield state
    state.close()


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    first = State(tmp_path)
    first.put("table", "b", {"n": 1})
    first.put("table", "a", {"n": 2})
    first.put("schema", "a", {"n": 3})
    first.put("table", "b", {"n": 4})
    first.close()
    second = State(tmp_path)
    assert second.all("table") == [{"n": 2}, {"n": 4}]
    assert second.get("schema", "a") == {"n": 3}
    assert second.get("schema", "b") is None
    second.close()


def test_deleting_tells_whether_there_was_anything(state: State) -> None:
    state.put("table", "a", {})
    assert state.delete("table", "a")
    assert not state.delete("table", "a")


def test_a_transaction_that_fails_leaves_nothing(state: State) -> None:
    def fail() -> None:
        with state.transaction():
            state.put("table", "a", {})
            with state.transaction():
                state.put("table", "b", {})
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert state.all("table") == []


def test_no_number_is_given_twice(state: State) -> None:
    numbers: list[int] = []
    threads = [
        threading.Thread(target=lambda: numbers.extend(state.count("run") for _ in range(25)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 101))
