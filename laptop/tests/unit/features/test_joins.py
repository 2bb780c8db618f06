from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from laptop.features.errors import FeatureError
from laptop.features.joins import KeyedTable, augment, join
from laptop.features.spec import FeatureColumn, FeatureSpec, InputTable, Lookup, SourceColumn, Step

INSTANT = pa.timestamp("us", tz="UTC")


def at(hour: float) -> datetime:
    return datetime(2013, 1, 1, tzinfo=UTC) + timedelta(hours=hour)


def times(*hours: float | None) -> pa.Array:
    return pa.array([None if hour is None else at(hour) for hour in hours], INSTANT)


def weather() -> KeyedTable:
    rows = pa.table(
        {
            "origin": ["EWR", "EWR", "EWR", "JFK"],
            "known_at": times(1, 3, 5, 2),
            "temp": pa.array([10.0, 30.0, None, 20.0]),
        }
    )
    return KeyedTable(rows, ("origin",), "known_at")


def timed(window: timedelta | None = None) -> Lookup:
    seconds = None if window is None else window.total_seconds()
    return Lookup("c.s.weather", ("origin",), "at", seconds, (("temp", "origin_temp"),))


def look(origin: str | None, hour: float | None, window: timedelta | None = None) -> float | None:
    spine = pa.table({"origin": pa.array([origin], pa.string()), "at": times(hour)})
    found: list[float | None] = join(spine, weather(), timed(window)).column(0).to_pylist()
    return found[0]


@pytest.mark.parametrize(
    ("rule", "origin", "hour", "expected"),
    [
        ("the last row before", "EWR", 4, 30.0),
        ("a row at the very time", "EWR", 3, 30.0),
        ("not one a microsecond later", "EWR", 3 - 1e-6 / 3600, 10.0),
        ("nothing before the first row", "EWR", 0.5, None),
        ("a null value stays, older ones are not taken", "EWR", 6, None),
        ("only rows of the same key", "JFK", 6, 20.0),
        ("an unknown key", "LGA", 6, None),
        ("a null key", None, 6, None),
        ("a null time", "EWR", None, None),
    ],
)
def test_takes_as_of_a_time(
    rule: str, origin: str | None, hour: float | None, expected: float | None
) -> None:
    assert look(origin, hour) == expected, rule


@pytest.mark.parametrize(
    ("window", "hour", "expected"),
    [
        (timedelta(hours=1), 4, 30.0),
        (timedelta(hours=1), 4.001, None),
        (timedelta(0), 3, 30.0),
        (timedelta(0), 3.001, None),
        (timedelta(hours=9), 4, 30.0),
    ],
)
def test_lookback_window_bounds_the_age_inclusively(
    window: timedelta, hour: float, expected: float | None
) -> None:
    assert look("EWR", hour, window) == expected


def test_a_null_time_matches_no_row_however_old() -> None:
    old = pa.array([datetime(1960, 1, 1, tzinfo=UTC)], INSTANT)
    rows = pa.table({"origin": ["EWR"], "known_at": old, "temp": [1.0]})
    spine = pa.table({"origin": ["EWR"], "at": times(None)})

    found = join(spine, KeyedTable(rows, ("origin",), "known_at"), timed())

    assert found.column(0).to_pylist() == [None]


def test_rows_of_the_spine_keep_their_order_their_number_and_their_columns() -> None:
    spine = pa.table(
        {"origin": ["JFK", "EWR", "JFK", "EWR"], "at": times(2, 4, 2, 1), "id": [4, 2, 4, 1]}
    )
    before = spine.slice(0)

    found = join(spine, weather(), timed())

    assert found.column("origin_temp").to_pylist() == [20.0, 30.0, 20.0, 10.0]
    assert spine.equals(before)


def test_rows_of_the_table_may_come_in_any_order() -> None:
    table = weather()
    backwards = KeyedTable(table.rows.take(pa.array([3, 2, 1, 0])), ("origin",), "known_at")
    spine = pa.table({"origin": ["EWR", "JFK"], "at": times(4, 4)})

    assert join(spine, backwards, timed()).column(0).to_pylist() == [30.0, 20.0]


PLANES = KeyedTable(
    pa.table({"tailnum": ["N1", "N2", None], "seats": pa.array([100, None, 9], pa.int32())}),
    ("tailnum",),
)
PLAIN = Lookup("c.s.planes", ("tail",), None, None, (("seats", "seats"),))


def test_a_lookup_without_time_goes_by_key_alone_and_keeps_the_type() -> None:
    spine = pa.table({"tail": ["N2", "N1", "N9", None]})

    seats = join(spine, PLANES, PLAIN).column("seats")

    assert seats.to_pylist() == [None, 100, None, None]
    assert seats.type == pa.int32()


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [
        (pa.array([7], pa.int32()), pa.array([7], pa.int64())),
        (pa.array([7.0]), pa.array([7], pa.int64())),
        (pa.array(["7"], pa.large_string()), pa.array(["7"], pa.string())),
        (
            pa.array([at(1)], pa.timestamp("ns", tz="UTC")),
            pa.array([at(1).replace(tzinfo=None)], pa.timestamp("us")),
        ),
        (pa.array([date(2013, 1, 1)]), pa.array([date(2013, 1, 1)])),
        (pa.array([True]), pa.array([True])),
    ],
)
def test_equal_keys_match_across_types(wanted: pa.Array, offered: pa.Array) -> None:
    table = KeyedTable(pa.table({"tailnum": offered, "seats": [100]}), ("tailnum",))

    assert join(pa.table({"tail": wanted}), table, PLAIN).column(0).to_pylist() == [100]


def test_keys_of_types_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(FeatureError, match="int64, the feature table string"):
        join(pa.table({"tail": [7]}), PLANES, PLAIN)


def test_keys_of_several_columns_do_not_run_into_each_other() -> None:
    rows = pa.table({"a": ["x", "xy", "x"], "b": ["yz", "z", None], "v": [1, 2, 3]})
    lookup = Lookup("c.s.t", ("k", "l"), None, None, (("v", "v"),))
    spine = pa.table({"k": ["xy", "x", "x", "xy"], "l": ["z", "yz", None, "yz"]})

    found = join(spine, KeyedTable(rows, ("a", "b")), lookup)

    assert found.column(0).to_pylist() == [2, 1, None, None]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([datetime(2013, 1, 1, 4)], pa.timestamp("s")),
        pa.array([at(4)], pa.timestamp("us", tz="America/New_York")),
        pa.array([at(4).astimezone(timezone(timedelta(hours=9)))], INSTANT),
        pa.array([np.datetime64("2013-01-01T04:00:00.000000999")], pa.timestamp("ns")),
    ],
)
def test_times_are_compared_as_utc_microseconds(column: pa.Array) -> None:
    spine = pa.table({"origin": ["EWR"], "at": column})

    assert join(spine, weather(), timed()).column(0).to_pylist() == [30.0]


def test_a_date_is_the_midnight_that_begins_it() -> None:
    spine = pa.table({"origin": ["EWR", "EWR"], "at": [date(2013, 1, 1), date(2013, 1, 2)]})

    assert join(spine, weather(), timed(timedelta(hours=21))).column(0).to_pylist() == [None, None]
    assert join(
        spine, weather(), Lookup("t", ("origin",), "at", None, (("known_at", "k"),))
    ).column(0).to_pylist() == [None, at(5)]


def test_a_number_is_no_time() -> None:
    with pytest.raises(FeatureError, match="Allowed: timestamp, date"):
        join(pa.table({"origin": ["EWR"], "at": [4]}), weather(), timed())


@pytest.mark.parametrize(
    ("table", "lookup"),
    [
        (KeyedTable(pa.table({"tailnum": ["N1", "N1"], "seats": [1, 2]}), ("tailnum",)), PLAIN),
        (
            KeyedTable(
                pa.table({"origin": ["E", "E"], "known_at": times(1, 1), "temp": [1.0, 2.0]}),
                ("origin",),
                "known_at",
            ),
            timed(),
        ),
    ],
)
def test_two_rows_with_one_key_are_refused(table: KeyedTable, lookup: Lookup) -> None:
    spine = pa.table({"tail": ["N1"], "origin": ["E"], "at": times(4)})

    with pytest.raises(FeatureError, match=r"1 rows of feature table .* repeat the key"):
        join(spine, table, lookup)


def test_one_key_column_for_each_primary_key() -> None:
    lookup = Lookup("c.s.planes", ("tail", "x"), None, None, (("seats", "seats"),))

    with pytest.raises(FeatureError, match="one column for each key"):
        join(pa.table({"tail": ["N1"], "x": [1]}), PLANES, lookup)


@pytest.mark.parametrize(
    ("table", "lookup"),
    [
        (weather(), Lookup("c.s.weather", ("origin",), None, None, (("temp", "t"),))),
        (PLANES, Lookup("c.s.planes", ("origin",), "at", None, (("seats", "s"),))),
    ],
)
def test_a_time_is_needed_exactly_for_a_timed_table(table: KeyedTable, lookup: Lookup) -> None:
    with pytest.raises(FeatureError, match="exactly when the table has the other"):
        join(pa.table({"origin": ["EWR"], "at": times(1)}), table, lookup)


@pytest.mark.parametrize("rows", [0, 3])
def test_an_empty_table_gives_nulls_and_an_empty_spine_nothing(rows: int) -> None:
    empty = KeyedTable(weather().rows.slice(0, 0), ("origin",), "known_at")
    spine = pa.table({"origin": pa.array(["EWR"] * rows, pa.string()), "at": times(*[1] * rows)})

    assert join(spine, empty, timed()).column(0).to_pylist() == [None] * rows
    assert join(spine.slice(0, 0), weather(), timed()).num_rows == 0


def feature(name: str, table: str, key: str, **facts: Any) -> FeatureColumn:
    kind = facts.pop("data_type", "bigint")
    return FeatureColumn(name, kind, table, facts.pop("feature", name), (key,), **facts)


def of(*features: FeatureColumn) -> FeatureSpec:
    names = {column.table_name for column in features}
    return FeatureSpec(
        (SourceColumn("k", "string"),), features, tuple(InputTable(name) for name in names)
    )


def test_features_already_there_are_not_looked_up() -> None:
    spec = of(feature("v", "t", "k"), feature("w", "t", "k"))
    spine = pa.table({"k": ["a"], "v": [-1]})

    def find(_: Step, spine: pa.Table) -> pa.Table:
        return pa.table({"v": [1] * spine.num_rows, "w": [2] * spine.num_rows})

    assert augment(spine, spec, find).to_pylist() == [{"k": "a", "v": -1, "w": 2}]


def test_nothing_is_read_when_all_features_are_there() -> None:
    def find(*_: Any) -> pa.Table:
        raise AssertionError("read")

    augment(pa.table({"k": ["a"], "v": [1]}), of(feature("v", "t", "k")), find)


def test_a_feature_can_be_the_key_of_another_lookup() -> None:
    spec = of(feature("y", "second", "x"), feature("x", "first", "k"))
    tables = {
        "first": KeyedTable(pa.table({"k": ["a"], "x": [7]}), ("k",)),
        "second": KeyedTable(pa.table({"x": [7], "y": [70]}), ("x",)),
    }

    def find(step: Step, spine: pa.Table) -> pa.Table:
        assert isinstance(step, Lookup)
        return join(spine, tables[step.table_name], step)

    joined = augment(pa.table({"k": ["a", "b"]}), spec, find)

    assert joined.to_pylist() == [{"k": "a", "x": 7, "y": 70}, {"k": "b", "x": None, "y": None}]


@pytest.mark.parametrize(
    ("data_type", "column", "default", "expected"),
    [
        ("bigint", pa.array([None, 5], pa.int64()), "-1", [-1, 5]),
        ("double", pa.array([None, float("nan")], pa.float64()), "0.5", [0.5, 0.5]),
        ("string", pa.array([None, ""], pa.string()), "none", ["none", ""]),
        ("boolean", pa.array([None, False], pa.bool_()), "True", [True, False]),
    ],
)
def test_a_default_stands_in_for_every_null(
    data_type: str, column: pa.Array, default: str, expected: list[Any]
) -> None:
    spec = of(feature("v", "t", "k", data_type=data_type, default_value=default))

    joined = augment(pa.table({"k": ["a", "b"]}), spec, lambda *_: pa.table({"v": column}))

    assert joined.column("v").to_pylist() == expected
    assert joined.column("v").type == column.type
