from datetime import timedelta
from typing import Any

import pytest
from laptop.features.errors import FeatureError
from laptop.features.lookup import FeatureLookup
from laptop.features.spec import FeatureSpec
from laptop.features.training import build_spec

from ...tables import feature_table

TABLES = {
    "c.s.weather": feature_table(
        "c.s.weather",
        ["origin"],
        "known_at",
        origin="string",
        known_at="timestamp",
        temp="double",
        wind="double",
    ),
    "c.s.planes": feature_table(
        "c.s.planes", ["tailnum"], None, tailnum="string", seats="int", parts="map<string,int>"
    ),
}
SPINE = {
    "id": "bigint",
    "origin": "string",
    "tail": "string",
    "decision_at": "timestamp",
    "distance": "double",
    "late": "int",
}
WEATHER = FeatureLookup("c.s.weather", "origin", timestamp_lookup_key="decision_at")
SEATS = FeatureLookup("c.s.planes", ["tail"], feature_names="seats")


def spec_of(
    *lookups: FeatureLookup, label: list[str] | None = None, exclude: list[str] | None = None
) -> FeatureSpec:
    labels = ["late"] if label is None else label
    return build_spec(SPINE, lookups, TABLES, labels, exclude or [])


def test_all_features_are_taken_where_none_is_named() -> None:
    assert [column.name for column in spec_of(WEATHER).features] == ["temp", "wind"]


def test_the_label_is_no_source() -> None:
    spec = spec_of(SEATS)

    assert [c.name for c in spec.sources] == ["id", "origin", "tail", "decision_at", "distance"]


def test_excluded_columns_leave_and_those_looked_up_by_stay_outside_the_model() -> None:
    spec = spec_of(WEATHER, SEATS, exclude=["id", "origin", "decision_at", "temp"])

    assert [(c.name, c.include) for c in spec.columns] == [
        ("origin", False),
        ("tail", True),
        ("decision_at", False),
        ("distance", True),
        ("wind", True),
        ("seats", True),
    ]


def test_a_table_all_of_whose_features_are_excluded_is_not_read() -> None:
    spec = spec_of(WEATHER, SEATS, exclude=["seats"])

    assert [table.name for table in spec.tables] == ["c.s.weather"]


def test_types_table_ids_windows_and_defaults_are_recorded() -> None:
    lookup = FeatureLookup(
        "c.s.weather",
        "origin",
        feature_names=["temp"],
        rename_outputs={"temp": "origin_temp"},
        timestamp_lookup_key="decision_at",
        lookback_window=timedelta(hours=2),
        default_values={"origin_temp": 12.5},
    )
    (column,) = spec_of(lookup).features
    (weather,) = spec_of(lookup).tables

    assert (column.name, column.feature_name, column.data_type) == ("origin_temp", "temp", "double")
    assert column.default_value == "12.5"
    assert (weather.table_id, weather.lookback_window) == ("id of c.s.weather", 7200.0)


def weather_by(**facts: Any) -> FeatureLookup:
    return FeatureLookup(
        "c.s.weather", "origin", **{"timestamp_lookup_key": "decision_at", **facts}
    )


@pytest.mark.parametrize(
    ("lookups", "label", "exclude", "message"),
    [
        ([SEATS], ["delay"], [], "Label delay is not a column"),
        ([SEATS], ["late"], ["late"], "Label late is in exclude_columns"),
        ([weather_by(feature_names="rain")], ["late"], [], "has no feature rain. It has: temp"),
        ([WEATHER, WEATHER], ["late"], [], "Two features become column temp"),
        (
            [weather_by(feature_names="temp", rename_outputs={"temp": "distance"})],
            ["late"],
            [],
            "distance of c.s.weather has the name of a column",
        ),
        (
            [weather_by(feature_names="temp", rename_outputs={"temp": "late"})],
            ["late"],
            [],
            "late of c.s.weather has the name of the label",
        ),
        (
            [FeatureLookup("c.s.planes", ["tail", "origin"], feature_names="seats")],
            ["late"],
            [],
            "Give one column for each",
        ),
        (
            [weather_by(feature_names="temp", timestamp_lookup_key=None)],
            ["late"],
            [],
            "timeseries column known_at",
        ),
        (
            [FeatureLookup("c.s.planes", "nowhere", feature_names="seats")],
            ["late"],
            [],
            "'nowhere'",
        ),
        (
            [FeatureLookup("c.s.planes", "id", feature_names="seats")],
            ["late"],
            [],
            "tailnum of feature table c.s.planes is string; column id .* bigint",
        ),
        (
            [FeatureLookup("c.s.planes", "tail", feature_names="parts")],
            ["late"],
            [],
            "map<string,int> is not supported",
        ),
        (
            [
                weather_by(feature_names="temp", lookback_window=timedelta(hours=1)),
                weather_by(feature_names="wind"),
            ],
            ["late"],
            [],
            "different lookback windows",
        ),
        ([weather_by(default_values={"rain": 1.0})], ["late"], [], "default_values names rain"),
        ([weather_by(rename_outputs={"rain": "r"})], ["late"], [], "rename_outputs names rain"),
        (
            [weather_by(feature_names="temp", default_values={"temp": "cold"})],
            ["late"],
            [],
            "temp cannot have the default 'cold'",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    lookups: list[FeatureLookup], label: list[str], exclude: list[str], message: str
) -> None:
    with pytest.raises(FeatureError, match=message):
        spec_of(*lookups, label=label, exclude=exclude)


@pytest.mark.parametrize(
    ("facts", "error", "message"),
    [
        (
            {"timestamp_lookup_key": None, "lookback_window": timedelta(1)},
            FeatureError,
            "has a lookback_window and no timestamp_lookup_key",
        ),
        ({"lookback_window": timedelta(-1)}, FeatureError, "zero or more"),
        (
            {"rename_outputs": {"temp": "t"}, "default_values": {"temp": 1.0}},
            FeatureError,
            "use the new name",
        ),
        (
            {"feature_names": ["temp"], "default_values": {"wind": 1.0}},
            FeatureError,
            "does not take. It takes: temp",
        ),
        ({"output_name": "t"}, NotImplementedError, "rename_outputs"),
        ({"lookup_window": 1}, TypeError, "lookup_window"),
        ({"default_values": {"temp": ""}}, FeatureError, "leaves the null"),
    ],
)
def test_a_lookup_refuses_arguments_that_do_not_fit(
    facts: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        weather_by(**facts)
