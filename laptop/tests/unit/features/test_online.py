import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from laptop.features.errors import FeatureError
from laptop.features.online import FILE, OnlineStore

from ...tables import feature_table

NAME = "c.s.weather"


def at(hour: int) -> datetime:
    return datetime(2013, 11, 1, hour, tzinfo=UTC)


WEATHER = feature_table(
    NAME, ["origin"], "known_at", origin="string", known_at="timestamp", temp="double"
)


def weather(*rows: tuple[str, int, float | None]) -> pa.Table:
    origins, hours, temps = zip(*rows, strict=True)
    return pa.table(
        {
            "origin": pa.array(origins),
            "known_at": pa.array([at(hour) for hour in hours], pa.timestamp("us", tz="UTC")),
            "temp": pa.array(temps, pa.float64()),
        }
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineStore]:
    store = OnlineStore(tmp_path)
    yield store
    store.close()


def publish(store: OnlineStore, *rows: tuple[str, int, float | None]) -> int:
    return store.publish(WEATHER, weather(*rows), store="s", online_table=f"{NAME}_online")


def temps(store: OnlineStore, *origins: Any) -> list[float | None]:
    table = store.find(NAME, ["temp"])
    return [row["temp"] for row in store.lookup(table, [(each,) for each in origins], ["temp"])]


def test_the_latest_row_of_each_key_is_online(store: OnlineStore) -> None:
    count = publish(store, ("EWR", 5, 3.0), ("EWR", 9, 1.0), ("EWR", 7, 2.0), ("JFK", 1, None))

    assert count == 2
    assert temps(store, "JFK", "EWR", "EWR") == [None, 1.0, 1.0]


def test_rows_of_one_key_and_time_are_refused_and_the_others_stay_online(
    store: OnlineStore,
) -> None:
    publish(store, ("EWR", 5, 3.0))

    with pytest.raises(FeatureError, match=r"1 rows repeat the key \['origin', 'known_at'\]"):
        publish(store, ("EWR", 6, 1.0), ("EWR", 6, 2.0))

    assert temps(store, "EWR") == [3.0]


def test_a_key_that_is_not_online_gives_nulls(store: OnlineStore) -> None:
    publish(store, ("EWR", 5, 3.0))

    assert temps(store, "LGA", None, "EWR") == [None, None, 3.0]


def test_rows_with_a_null_key_are_refused(store: OnlineStore) -> None:
    rows = weather(("EWR", 5, 3.0)).set_column(0, "origin", pa.array([None], pa.string()))

    with pytest.raises(FeatureError, match=r"1 rows have no value of origin"):
        store.publish(WEATHER, rows, store="s", online_table=f"{NAME}_online")


def test_a_lookup_in_an_online_table_that_is_gone_fails(store: OnlineStore) -> None:
    publish(store, ("EWR", 5, 3.0))
    table = store.find(NAME, ["temp"])
    store.withdraw(table.name)

    with pytest.raises(FeatureError, match="does not exist in the Online Store"):
        store.lookup(table, [("EWR",)], ["temp"])


def test_publishing_again_replaces_all_rows(store: OnlineStore) -> None:
    publish(store, ("EWR", 5, 3.0), ("JFK", 5, 4.0))
    publish(store, ("EWR", 6, 5.0))

    assert temps(store, "EWR", "JFK") == [5.0, None]


def test_many_keys_are_found_in_one_call(store: OnlineStore) -> None:
    publish(store, *((f"K{i}", 1, float(i)) for i in range(1200)))

    assert temps(store, *(f"K{i}" for i in range(1200))) == [float(i) for i in range(1200)]


def test_an_interrupted_publication_leaves_what_was_online(store: OnlineStore) -> None:
    publish(store, ("EWR", 5, 3.0))
    broken = replace(
        WEATHER, features=[*WEATHER.features, "raw"], types={**WEATHER.types, "raw": "binary"}
    )
    rows = weather(("EWR", 6, 4.0)).append_column("raw", pa.array([b"x"]))

    with pytest.raises(FeatureError, match="type binary is not supported"):
        store.publish(broken, rows, store="s", online_table=f"{NAME}_online")

    assert temps(store, "EWR") == [3.0]


def test_another_process_sees_what_was_published(store: OnlineStore, tmp_path: Path) -> None:
    publish(store, ("EWR", 5, 3.0))
    other = OnlineStore(tmp_path)

    assert temps(other, "EWR") == [3.0]
    publish(store, ("EWR", 6, 4.0))
    assert temps(other, "EWR") == [4.0]
    other.close()


def test_lookups_and_publications_do_not_disturb_each_other(store: OnlineStore) -> None:
    publish(store, ("EWR", 1, 1.0), ("JFK", 1, 1.0))
    seen: list[list[float | None]] = []

    def look() -> None:
        seen.extend(temps(store, "EWR", "JFK") for _ in range(50))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for value in (2.0, 3.0, 4.0):
        publish(store, ("EWR", 1, value), ("JFK", 1, value))
    for thread in threads:
        thread.join()

    assert len(seen) == 200
    assert all(first == second is not None for first, second in seen)


def test_a_table_that_was_not_published_is_named(store: OnlineStore) -> None:
    publish(store, ("EWR", 1, 1.0))

    with pytest.raises(FeatureError, match=r"c.s.planes is not published.*Published: c.s.weather"):
        store.find("c.s.planes", [])


def test_a_feature_that_was_not_published_is_named(store: OnlineStore) -> None:
    publish(store, ("EWR", 1, 1.0))

    with pytest.raises(FeatureError, match=r"lacks \['rain'\]"):
        store.find(NAME, ["temp", "rain"])


def test_an_online_table_shows_one_source(store: OnlineStore) -> None:
    publish(store, ("EWR", 1, 1.0))
    other = replace(WEATHER, name="c.s.other")

    with pytest.raises(FeatureError, match=r"shows c.s.weather, and cannot show c.s.other"):
        store.publish(other, weather(("EWR", 2, 2.0)), store="s", online_table=f"{NAME}_online")
    assert temps(store, "EWR") == [1.0]


def test_features_come_back_in_their_types(store: OnlineStore) -> None:
    values: dict[str, tuple[str, Any]] = {
        "k": ("bigint", 7),
        "i": ("int", 1),
        "f": ("double", 0.1),
        "nan": ("double", float("nan")),
        "b": ("boolean", False),
        "s": ("string", "é"),
        "d": ("date", date(2013, 1, 2)),
        "t": ("timestamp", at(5).replace(microsecond=123456)),
        "m": ("decimal(6,2)", Decimal("12.30")),
        "a": ("array<double>", [0.5, None, 1.5]),
        "w": ("array<array<timestamp>>", [[at(5)], None, []]),
    }
    types = {name: kind for name, (kind, _) in values.items()}
    table = feature_table(NAME, ["k"], **types)
    rows = pa.table({name: [value] for name, (_, value) in values.items()})
    store.publish(table, rows, store="s", online_table="c.s.o")

    found = store.lookup(store.find(NAME, list(types)), [(7,)], list(types))

    (row,) = found
    assert np.isnan(row.pop("nan"))
    assert row == {name: value for name, (_, value) in values.items() if name != "nan"}


def test_a_new_key_of_the_same_rows_is_the_one_to_look_up_by(store: OnlineStore) -> None:
    rows = pa.table({"a": ["x", "y"], "b": ["1", "2"]})
    table = feature_table(NAME, ["a"], a="string", b="string")
    store.publish(table, rows, store="s", online_table="c.s.o")
    store.publish(replace(table, primary_keys=["b"]), rows, store="s", online_table="c.s.o")

    assert store.lookup(store.find(NAME, ["a"]), [("2",), ("x",)], ["a"]) == [
        {"a": "y"},
        {"a": None},
    ]


def test_a_store_is_created_once_and_listed(store: OnlineStore) -> None:
    assert store.create("shop", "CU_2")
    assert not store.create("shop", "CU_4")
    assert [(name, capacity) for name, capacity, _ in store.stores()] == [("shop", "CU_2")]


def test_an_online_table_that_was_withdrawn_is_gone_and_no_other(
    store: OnlineStore, tmp_path: Path
) -> None:
    publish(store, ("EWR", 5, 3.0))
    other = replace(WEATHER, name="c.s.other")
    store.publish(other, weather(("EWR", 5, 4.0)), store="s", online_table="c.s.other_online")

    assert store.withdraw(f"{NAME}_online")

    with pytest.raises(FeatureError, match=r"not published online. Published: c\.s\.other"):
        store.find(NAME, ["temp"])
    assert store.find("c.s.other", ["temp"]).name == "c.s.other_online"
    with sqlite3.connect(tmp_path / FILE) as file:
        left = file.execute("SELECT name FROM sqlite_master WHERE name GLOB 'rows_*'").fetchall()
    file.close()
    assert len(left) == 1
    assert not store.withdraw(f"{NAME}_online")
    publish(store, ("JFK", 5, 1.0))
    assert temps(store, "EWR", "JFK") == [None, 1.0]
