import math
from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from laptop.profiling.groups import (
    Coded,
    Group,
    partition,
    summarize_categories,
    summarize_numbers,
)
from laptop.profiling.statistics import Categories, Numbers

MODELS, CARRIERS = ["1", "2", "3"], ["AA", "UA"]
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(-1, 2),
        st.integers(-1, 1),
        st.one_of(st.none(), st.just(math.nan), st.integers(-3, 3).map(float)),
    ),
    min_size=1,
    max_size=60,
)
Row = tuple[int, int, int, float | None]


def expected_groups(rows: list[Row]) -> dict[tuple[int, Group], list[float | None]]:
    """Return the values of each group, found row by row."""
    groups: dict[tuple[int, Group], list[float | None]] = defaultdict(list)
    for window, model, carrier, value in rows:
        for of_model in {"*", MODELS[model] if model >= 0 else "*"}:
            groups[window, Group(of_model)].append(value)
            if carrier >= 0:
                group = Group(of_model, "carrier", CARRIERS[carrier])
                groups[window, group].append(value)
    return dict(groups)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_each_group_has_its_own_rows(rows: list[Row]) -> None:
    windows, models, carriers = (np.array([row[at] for row in rows]) for at in range(3))
    values = np.array([math.nan if row[3] is None else row[3] for row in rows])
    valid = np.array([row[3] is not None for row in rows])
    partitions = partition(
        windows, [0, 1, 2], Coded(models, MODELS), {"carrier": Coded(carriers, CARRIERS)}
    )
    categories = Coded(
        np.where(valid & ~np.isnan(values), np.nan_to_num(values) + 3, -1).astype(int), [""] * 7
    )

    found: dict[tuple[int, Group], Numbers] = {}
    counted: dict[tuple[int, Group], Categories] = {}
    for each, numbers, counts in zip(
        partitions,
        summarize_numbers(values, valid, partitions),
        summarize_categories(categories, partitions, [""] * 7, texts=True),
        strict=True,
    ):
        for members, number, count in zip(each.members, numbers, counts, strict=True):
            assert isinstance(number, Numbers)
            assert isinstance(count, Categories)
            for member in members if number.count else ():
                assert member not in found
                found[member], counted[member] = number, count

    expected = expected_groups(rows)
    assert found.keys() == expected.keys()
    for member, values_of in expected.items():
        known = sorted(v for v in values_of if v is not None and not math.isnan(v))
        assert found[member].values.tolist() == known
        assert found[member].count == counted[member].count == len(values_of)
        assert found[member].nulls == values_of.count(None)
        assert dict(
            zip((counted[member].ids - 3).tolist(), counted[member].counts, strict=True)
        ) == {int(v): known.count(v) for v in known}


def test_a_window_of_one_model_is_summarized_once() -> None:
    rows = np.zeros(4, np.int64)

    partitions = partition(rows, [7], Coded(rows, ["1"]), {})

    assert [each.members for each in partitions] == [[[(7, Group("*")), (7, Group("1"))]]]
