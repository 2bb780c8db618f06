import pytest

from ..parity import Row, load_parity
from .conftest import Databricks

ASKED = [row for row in load_parity().rows if row.command]


@pytest.mark.parametrize("row", ASKED, ids=lambda row: row.surface)
def test_what_is_absent_refuses_in_the_words_of_the_parity_table(
    databricks: Databricks, row: Row
) -> None:
    shown = databricks.call(*row.command.split())
    assert shown.status == 1
    assert f"Error: {row.says}\n" in shown.err
