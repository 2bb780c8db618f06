import runpy

import pytest
from laptop.jobs.task_environment import RUNTIME

read_properties = runpy.run_path(str(RUNTIME / "dbruntime" / "alter_table.py"))["read_properties"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (
            "ALTER TABLE dev.shop.t SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')",
            ("dev.shop.t", {"delta.enableChangeDataFeed": "true"}),
        ),
        (
            "\n alter table `dev`.`shop`.`t`\n set tblproperties('a'='1' , 'b' = ', (x)') ; ",
            ("dev.shop.t", {"a": "1", "b": ", (x)"}),
        ),
        ("SELECT 'ALTER TABLE t SET TBLPROPERTIES (''a'' = ''b'')'", None),
        ("ALTER TABLE t ADD COLUMNS (a INT)", None),
    ],
)
def test_table_properties_are_read(query: str, found: tuple[str, dict[str, str]] | None) -> None:
    assert read_properties(query) == found


@pytest.mark.parametrize(
    "pairs", ["", "a = 'b'", "'a' = b", "'a' = 'b' 'c' = 'd'", "'a' = 'it''s'"]
)
def test_properties_in_any_other_form_are_refused(pairs: str) -> None:
    with pytest.raises(ValueError, match=r"reads TBLPROPERTIES as \('key' = 'value', …\); got"):
        read_properties(f"ALTER TABLE t SET TBLPROPERTIES ({pairs})")
