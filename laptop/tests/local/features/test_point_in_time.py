"""Training sets through the client, on tables of the engine, against what Databricks documents."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from databricks.feature_engineering import FeatureEngineeringClient, FeatureLookup
from hypothesis import given, settings
from hypothesis import strategies as st
from laptop.features.errors import FeatureError
from laptop.features.joins import KeyedTable, join
from laptop.features.spec import Lookup
from pyspark.sql.connect.session import SparkSession

from .conftest import WEATHER, at, create_weather, rows, weather_rows

INSTANT = pa.timestamp("us", tz="UTC")
START = datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")

Row = tuple[str | None, int | None, int | None]


def expected(spine: pd.DataFrame, table: pd.DataFrame, window: timedelta | None) -> list[Any]:
    """Return what pandas finds, None where a key or time is null."""
    whole = spine.dropna(subset=["k", "l", "at"]).astype({"l": "int64"}).sort_values("at")
    found = pd.merge_asof(
        whole,
        table.sort_values("known_at"),
        left_on="at",
        right_on="known_at",
        left_by=["k", "l"],
        right_by=["a", "b"],
        tolerance=None if window is None else pd.Timedelta(window),
    )
    values = dict(zip(found["id"], found["v"], strict=True))
    return [
        None if (value := values.get(number)) is None or np.isnan(value) else value
        for number in range(len(spine))
    ]


def tables_of(
    wanted: Sequence[Row], offered: Sequence[tuple[str, int, int]], unit: int
) -> tuple[pa.Table, pa.Table]:
    def instants(ticks: Sequence[int | None]) -> pa.Array:
        times = [t if t is None else START + timedelta(microseconds=t * unit) for t in ticks]
        return pa.array(times, INSTANT)

    spine = pa.table(
        {
            "id": pa.array(range(len(wanted)), pa.int64()),
            "k": pa.array([row[0] for row in wanted], pa.string()),
            "l": pa.array([row[1] for row in wanted], pa.int64()),
            "at": instants([row[2] for row in wanted]),
        }
    )
    # Every third feature is null, and stays so.
    values = [None if number % 3 == 2 else float(number) for number in range(len(offered))]
    table = pa.table(
        {
            "a": pa.array([row[0] for row in offered], pa.string()),
            "b": pa.array([row[1] for row in offered], pa.int64()),
            "known_at": instants([row[2] for row in offered]),
            "v": pa.array(values, pa.float64()),
        }
    )
    return spine, table


def frame(table: pa.Table) -> pd.DataFrame:
    found: pd.DataFrame = table.to_pandas(coerce_temporal_nanoseconds=True)
    return found


KEYS, NUMBERS, TICKS = st.sampled_from("xyz"), st.integers(0, 2), st.integers(-4, 12)
WANTED = st.lists(
    st.tuples(st.none() | KEYS, st.none() | NUMBERS, st.none() | TICKS), min_size=1, max_size=20
)
OFFERED = st.lists(st.tuples(KEYS, NUMBERS, TICKS), max_size=30, unique=True)
UNITS = st.sampled_from([1, 1_000_000, 86_400_000_000, 500_000_000_000_000])


@settings(derandomize=True, deadline=None, max_examples=100)
@given(WANTED, OFFERED, UNITS, st.none() | st.integers(0, 5))
def test_random_rows_find_what_pandas_finds(
    wanted: list[Row], offered: list[tuple[str, int, int]], unit: int, ticks: int | None
) -> None:
    spine, table = tables_of(wanted, offered, unit)
    window = None if ticks is None else timedelta(microseconds=ticks * unit)
    seconds = None if window is None else window.total_seconds()

    found = join(
        spine,
        KeyedTable(table, ("a", "b"), "known_at"),
        Lookup("t", ("k", "l"), "at", seconds, (("v", "v"),)),
    )

    assert found.column("v").to_pylist() == expected(frame(spine), frame(table), window)


def test_keys_and_times_that_no_integer_holds_together_are_found_too() -> None:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    keys = list(range(50))
    table = pa.table(
        {
            "a": keys * 2,
            "known_at": pa.array([last] * 50 + [first] * 50, INSTANT),
            "v": list(range(100)),
        }
    )
    times = pa.array([first, at(1), last, last], INSTANT)
    spine = pa.table({"k": [0, 7, 49, 50], "at": times})

    found = join(
        spine, KeyedTable(table, ("a",), "known_at"), Lookup("t", ("k",), "at", None, (("v", "v"),))
    )

    assert found.column("v").to_pylist() == [50, 57, 49, None]


@pytest.mark.parametrize("window", [None, timedelta(hours=2), timedelta(0)])
def test_a_table_of_the_engine_finds_what_pandas_finds(
    fe: FeatureEngineeringClient, spark: SparkSession, name: str, window: timedelta | None
) -> None:
    random = np.random.default_rng(1)
    offered = zip("xyz" * 1000, *random.integers(0, 30, (2, 3000)).tolist(), strict=True)
    wanted = list(zip("xyzw" * 500, *random.integers(0, 30, (2, 2000)).tolist(), strict=True))
    spine, table = tables_of(wanted, sorted(set(offered)), unit=3_600_000_000)
    fe.create_table(
        name=name,
        primary_keys=["a", "b", "known_at"],
        timeseries_column="known_at",
        df=spark.createDataFrame(table),
    )

    lookup = FeatureLookup(
        name, ["k", "l"], timestamp_lookup_key="at", lookback_window=window, feature_names="v"
    )
    training_set = fe.create_training_set(
        df=spark.createDataFrame(spine), feature_lookups=[lookup], label=None
    )

    found = training_set.load_df().toPandas().sort_values("id")["v"]
    values = expected(frame(spine), frame(table), window)
    assert [None if np.isnan(value) else value for value in found] == values
    assert 0 < sum(value is None for value in values) < len(values)


def load(
    fe: FeatureEngineeringClient, spark: SparkSession, spine: pa.Table, *lookups: FeatureLookup
) -> list[dict[str, Any]]:
    df = spark.createDataFrame(spine)
    return rows(fe.create_training_set(df=df, feature_lookups=list(lookups), label=None).load_df())


@pytest.fixture(scope="module")
def weather(fe: FeatureEngineeringClient, spark: SparkSession) -> str:
    """Rows that begin the two hours which the clocks of New York strike alike."""
    name = "dev.shop.clock_change"
    hours = [datetime(2013, 11, 3, hour, tzinfo=UTC) for hour in (5, 6)]
    table = weather_rows(("EWR", 0, 5.0, 5), ("EWR", 1, 6.0, 6)).set_column(
        1, "known_at", pa.array(hours, INSTANT)
    )
    create_weather(fe, name, spark.createDataFrame(table))
    return name


class TestTimes:
    @pytest.mark.parametrize(
        ("moment", "temp"),
        [
            (datetime(2013, 11, 3, 1, 30, tzinfo=NEW_YORK, fold=0), 5.0),
            (datetime(2013, 11, 3, 1, 30, tzinfo=NEW_YORK, fold=1), 6.0),
            (datetime(2013, 11, 3, 1, 0, tzinfo=NEW_YORK, fold=1), 6.0),
            (datetime(2013, 11, 3, 0, 59, 59, 999_999, tzinfo=NEW_YORK), None),
            (datetime(2013, 11, 3, 5, 59, 59, 999_999, tzinfo=UTC), 5.0),
        ],
    )
    def test_a_spine_of_another_zone_is_compared_by_its_instants(
        self,
        fe: FeatureEngineeringClient,
        spark: SparkSession,
        weather: str,
        moment: datetime,
        temp: float | None,
    ) -> None:
        instants = pa.array([moment.astimezone(UTC)], pa.timestamp("us", tz="America/New_York"))
        spine = pa.table({"origin": ["EWR"], "decision_at": instants})
        lookup = FeatureLookup(
            weather, "origin", timestamp_lookup_key="decision_at", feature_names="temp"
        )

        (row,) = load(fe, spark, spine, lookup)

        assert row == {"origin": "EWR", "decision_at": moment.astimezone(UTC), "temp": temp}

    def test_a_naive_time_is_of_the_session_s_zone_and_one_that_stays_naive_is_refused(
        self, fe: FeatureEngineeringClient, spark: SparkSession, weather: str
    ) -> None:
        naive = pa.array([datetime(2013, 11, 3, 5, 59)], pa.timestamp("us"))
        spine = pa.table({"origin": ["EWR"], "decision_at": naive})
        lookup = FeatureLookup(weather, "origin", timestamp_lookup_key="decision_at")
        df = spark.createDataFrame(spine).selectExpr(
            "origin", "CAST(decision_at AS TIMESTAMP_NTZ) AS decision_at"
        )

        (row,) = load(fe, spark, spine, lookup)

        assert row["temp"] == 5.0
        with pytest.raises(FeatureError, match=r"decision_at .* is timestamp_ntz\. Cast"):
            fe.create_training_set(df=df, feature_lookups=[lookup], label=None)

    def test_two_rows_of_one_key_and_time_are_refused(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        create_weather(fe, name, spark.createDataFrame(WEATHER))
        spark.sql(f"INSERT INTO {name} SELECT * FROM {name} WHERE origin = 'JFK'")
        spine = pa.table({"origin": ["EWR"], "decision_at": pa.array([at(5)], INSTANT)})

        with pytest.raises(FeatureError, match=r"1 rows of feature table .* repeat the key"):
            load(
                fe, spark, spine, FeatureLookup(name, "origin", timestamp_lookup_key="decision_at")
            )


class TestLookups:
    def test_one_table_is_looked_up_twice_by_columns_of_other_names(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        create_weather(fe, name, spark.createDataFrame(WEATHER))
        spine = pa.table(
            {"from": ["EWR", "JFK"], "to": ["JFK", "EWR"], "when": pa.array([at(3)] * 2, INSTANT)}
        )

        found = load(
            fe,
            spark,
            spine,
            *(
                FeatureLookup(
                    name,
                    side,
                    feature_names="temp",
                    rename_outputs={"temp": f"{side}_temp"},
                    timestamp_lookup_key="when",
                )
                for side in ("from", "to")
            ),
        )

        assert [(row["from_temp"], row["to_temp"]) for row in found] == [(30.0, 20.0), (20.0, 30.0)]

    def test_equal_rows_of_the_spine_stay_and_an_empty_spine_stays_empty(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        create_weather(fe, name, spark.createDataFrame(WEATHER))
        lookup = FeatureLookup(name, "origin", timestamp_lookup_key="decision_at")
        spine = pa.table({"origin": ["EWR"] * 3, "decision_at": pa.array([at(1)] * 3, INSTANT)})

        assert [row["temp"] for row in load(fe, spark, spine, lookup)] == [10.0] * 3
        nothing = spark.createDataFrame(spine).where("false")
        empty = fe.create_training_set(df=nothing, feature_lookups=[lookup], label=None).load_df()
        assert empty.columns == ["origin", "decision_at", "temp", "wind"]
        assert empty.count() == 0

    def test_an_empty_table_gives_nulls_or_defaults(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        create_weather(fe, name, None, schema=spark.createDataFrame(WEATHER).schema)
        spine = pa.table({"origin": ["EWR"], "decision_at": pa.array([at(1)], INSTANT)})
        lookup = FeatureLookup(
            name, "origin", timestamp_lookup_key="decision_at", default_values={"wind": 4}
        )

        (row,) = load(fe, spark, spine, lookup)

        assert (row["temp"], row["wind"]) == (None, 4)

    def test_features_of_every_type_come_out_as_they_went_in(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        columns: dict[str, tuple[pa.DataType, Any, str]] = {
            "flag": (pa.bool_(), True, "boolean"),
            "small": (pa.int16(), -3, "smallint"),
            "whole": (pa.int32(), 7, "int"),
            "long": (pa.int64(), 2**60 + 1, "bigint"),
            "single": (pa.float32(), 0.5, "float"),
            "double": (pa.float64(), 0.1, "double"),
            "text": (pa.string(), "é", "string"),
            "day": (pa.date32(), date(2013, 1, 2), "date"),
            "moment": (INSTANT, at(5).replace(microsecond=123_456), "timestamp"),
            "price": (pa.decimal128(10, 2), Decimal("12.30"), "decimal(10,2)"),
            "parts": (pa.list_(pa.float64()), [0.5, None], "array<double>"),
        }
        arrays = {n: pa.array([value, None], kind) for n, (kind, value, _) in columns.items()}
        table = spark.createDataFrame(pa.table({"k": ["a", "b"], **arrays}))
        fe.create_table(name=name, primary_keys="k", df=table)
        spine = spark.createDataFrame(pa.table({"k": ["a", "b", "c"]}))

        found = fe.create_training_set(
            df=spine, feature_lookups=[FeatureLookup(name, "k")], label=None
        ).load_df()

        assert dict(found.dtypes) == {
            "k": "string",
            **{n: kind for n, (*_, kind) in columns.items()},
        }
        first, *others = rows(found)
        assert first == {"k": "a", **{n: value for n, (_, value, _) in columns.items()}}
        assert others == [{"k": key, **dict.fromkeys(columns)} for key in ("b", "c")]
