import pytest
from laptop.workspace.sql import at_clock


def test_a_statement_stays_as_it_is_while_the_clock_is_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LAPTOP_NOW", raising=False)
    assert at_clock("SELECT current_timestamp()") == "SELECT current_timestamp()"


def test_a_statement_takes_the_time_from_the_clock_that_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAPTOP_NOW", "2031-03-01T06:00:00Z")
    text = "SELECT Current_Timestamp( ), 'now()', now, current_date() -- now()"
    first, second, *rest = at_clock(text).split(", ")
    assert first.startswith("SELECT TIMESTAMP '2031-03-01T06:")
    assert second == "'now()'"
    assert rest == ["now", "DATE '2031-03-01' -- now()"]
