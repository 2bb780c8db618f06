from pathlib import Path

import pytest
import yaml
from laptop.features.errors import FeatureError
from laptop.features.spec import (
    MODEL_DATA,
    FeatureColumn,
    FeatureSpec,
    InputTable,
    Lookup,
    SourceColumn,
)

SPEC = FeatureSpec(
    sources=(
        SourceColumn("origin", "string", include=False),
        SourceColumn("decision_at", "timestamp", include=False),
        SourceColumn("distance", "bigint"),
    ),
    features=(
        FeatureColumn("zone_risk", "double", "c.s.zones", "risk", ("zone",)),
        FeatureColumn("temp", "double", "c.s.weather", "temp", ("origin",), "decision_at", "0.5"),
        FeatureColumn("zone", "string", "c.s.airports", "zone", ("origin",), include=False),
    ),
    tables=(
        InputTable("c.s.airports", "id-1"),
        InputTable("c.s.weather", "id-2", 21600.0),
        InputTable("c.s.zones"),
    ),
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    SPEC.write(tmp_path / MODEL_DATA)

    assert FeatureSpec.read(tmp_path) == SPEC


def test_the_file_has_the_layout_of_databricks(tmp_path: Path) -> None:
    SPEC.write(tmp_path)

    document = yaml.safe_load((tmp_path / "feature_spec.yaml").read_text())

    assert list(document) == ["input_columns", "input_tables", "serialization_version"]
    columns = {name: entry for item in document["input_columns"] for name, entry in item.items()}
    assert columns["origin"] == {
        "data_type": "string",
        "include": False,
        "topological_ordering": 0,
        "source": "training_data",
    }
    assert columns["temp"] == {
        "table_name": "c.s.weather",
        "feature_name": "temp",
        "lookup_key": ["origin"],
        "timestamp_lookup_key": ["decision_at"],
        "default_value": "0.5",
        "data_type": "double",
        "topological_ordering": 3,
        "source": "feature_store",
    }
    assert columns["zone_risk"]["topological_ordering"] > columns["zone"]["topological_ordering"]
    assert document["input_tables"] == [
        {"c.s.airports": {"table_id": "id-1"}},
        {"c.s.weather": {"table_id": "id-2", "lookback_window": 21600.0}},
        {"c.s.zones": {}},
    ]


def test_the_model_is_given_what_is_included_in_order() -> None:
    assert SPEC.model_columns == ["distance", "zone_risk", "temp"]


def test_lookups_come_after_those_that_bring_their_keys() -> None:
    assert SPEC.lookups() == [
        Lookup("c.s.weather", ("origin",), "decision_at", 21600.0, (("temp", "temp"),)),
        Lookup("c.s.airports", ("origin",), None, None, (("zone", "zone"),)),
        Lookup("c.s.zones", ("zone",), None, None, (("risk", "zone_risk"),)),
    ]


def test_a_key_that_nobody_brings_is_named() -> None:
    spec = FeatureSpec((), (FeatureColumn("a", "int", "t", "a", ("nowhere",)),), ())

    with pytest.raises(FeatureError, match=r"\['nowhere'\] are neither"):
        spec.lookups()


def test_a_model_without_specification_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="was not logged by"):
        FeatureSpec.read(tmp_path)


def test_another_source_is_refused_by_name(tmp_path: Path) -> None:
    column = {"late": {"source": "request", "data_type": "double"}}
    (tmp_path / MODEL_DATA).mkdir(parents=True)
    path = tmp_path / MODEL_DATA / "feature_spec.yaml"
    path.write_text(yaml.safe_dump({"input_columns": [column]}))

    with pytest.raises(FeatureError, match=r"late .* comes from 'request'"):
        FeatureSpec.read(tmp_path)


@pytest.mark.parametrize(
    ("data_type", "text", "value"),
    [("int", "7", 7), ("double", "7", 7.0), ("boolean", "True", True), ("string", "", "")],
)
def test_a_default_is_read_as_its_column_s_type(
    data_type: str, text: str, value: int | float | bool | str
) -> None:
    column = FeatureColumn("a", data_type, "t", "a", ("k",), default_value=text)

    assert column.default == value
    assert type(column.default) is type(value)


@pytest.mark.parametrize(
    ("data_type", "text"), [("int", "1.5"), ("boolean", "yes"), ("timestamp", "2013-01-01")]
)
def test_a_default_of_another_type_is_refused(data_type: str, text: str) -> None:
    column = FeatureColumn("a", data_type, "t", "a", ("k",), default_value=text)

    with pytest.raises(FeatureError, match="Feature a cannot have the default"):
        _ = column.default
