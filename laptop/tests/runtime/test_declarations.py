import importlib.util
from types import ModuleType

import pytest
from laptop.jobs.surroundings import RUNTIME


@pytest.fixture(scope="module")
def declarations() -> ModuleType:
    file = RUNTIME / "dbruntime" / "declarations.py"
    spec = importlib.util.spec_from_file_location("declarations", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
def test_table_properties_are_read(
    declarations: ModuleType, query: str, found: tuple[str, dict[str, str]] | None
) -> None:
    assert declarations.read_properties(query) == found


@pytest.mark.parametrize(
    "pairs", ["", "a = 'b'", "'a' = b", "'a' = 'b' 'c' = 'd'", "'a' = 'it''s'"]
)
def test_properties_in_any_other_form_are_refused(declarations: ModuleType, pairs: str) -> None:
    with pytest.raises(ValueError, match=r"reads TBLPROPERTIES as \('key' = 'value', …\); got"):
        declarations.read_properties(f"ALTER TABLE t SET TBLPROPERTIES ({pairs})")
