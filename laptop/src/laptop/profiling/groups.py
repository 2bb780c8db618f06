"""Groups of rows: by window, model and slice value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .statistics import Categories, Instants, Numbers, Summary

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]

ALL_MODELS = "*"
NO_GROUP = -1


class Group(NamedTuple):
    """The rows of a window with one model, or all, and one slice value, or all."""

    model: str | None = None
    slice_key: str | None = None
    slice_value: str | None = None


@dataclass(frozen=True)
class Coded:
    """Integer-encoded texts; -1 for nulls.

    Attributes:
        codes: Code by row.
        names: Text by code.
    """

    codes: "Codes"
    names: Sequence[str]


@dataclass(frozen=True)
class Partition:
    """Disjoint sets of rows.

    Attributes:
        codes: Set of each row, -1 for none.
        members: Windows and groups of each set; for a window with one model, the group of
            that model and the group of all models share a set.
    """

    codes: "Codes"
    members: Sequence[Sequence[tuple[int, Group]]]

    @cached_property
    def is_whole(self) -> bool:
        """Whether all rows are in one set."""
        return len(self.members) == 1 and not np.any(self.codes == NO_GROUP)


def partition(
    windows: "Codes",
    starts: Sequence[int],
    models: Coded | None,
    slices: Mapping[str, Coded],
) -> list[Partition]:
    """Return partitions of the rows by window, model and slice value.

    Args:
        windows: Window of each row, as a position in `starts`.
        starts: Start of each window.
        models: Model of each row.
        slices: Values of each slice.
    """
    partitions = []
    whole = Coded(np.zeros(windows.size, np.int64), [""])
    for key, values in [(None, whole), *slices.items()]:
        everyone = ALL_MODELS if models else None
        codes = combine(windows, values)
        of_window, of_value = np.divmod(
            np.arange(len(starts) * len(values.names)), max(len(values.names), 1)
        )

        def group(
            at: int, model: str | None, key: str | None = key, values: Coded = values
        ) -> Group:
            return Group(model, key, None if key is None else values.names[at])

        members = [
            [(starts[w], group(v, everyone))] for w, v in zip(of_window, of_value, strict=True)
        ]
        if models:
            by_model = combine(codes, models)
            sizes = np.bincount(codes[codes >= 0], minlength=len(members))
            count = len(models.names)
            model_sizes = np.bincount(by_model[by_model >= 0], minlength=len(members) * count)
            model_members: list[list[tuple[int, Group]]] = []
            renumbered = np.full(len(members) * count, NO_GROUP)
            for code in np.flatnonzero(model_sizes):
                at, model = divmod(int(code), count)
                start = members[at][0][0]
                named = (start, group(int(of_value[at]), models.names[model]))
                if model_sizes[code] == sizes[at]:
                    members[at].append(named)
                    continue
                renumbered[code] = len(model_members)
                model_members.append([named])
            if model_members:
                partitions.append(
                    Partition(np.where(by_model < 0, NO_GROUP, renumbered[by_model]), model_members)
                )
        partitions.append(Partition(codes, members))
    return partitions


def combine(outer: "Codes", inner: Coded) -> "Codes":
    """Combine two codes into one; -1 if either is missing."""
    if len(inner.names) == 1 and not np.any(inner.codes == NO_GROUP):
        return outer
    codes = outer * max(len(inner.names), 1) + inner.codes
    codes[(outer < 0) | (inner.codes < 0)] = NO_GROUP
    return codes


def split(codes: "Codes", count: int) -> tuple["Codes", "Codes"]:
    """Return the row order that groups each set, and the end of each set.

    The order is stable; rows without a set are dropped.
    """
    # Sorting 16-bit integers takes linear time.
    short = (codes + 1).astype(np.uint16 if count < 65_535 else np.int64)
    order = np.argsort(short, kind="stable")
    sizes = np.bincount(codes + 1, minlength=count + 1)
    return order[sizes[0] :], np.cumsum(sizes[1:])


def summarize_numbers(
    values: "Floats", valid: "Mask", partitions: Sequence[Partition], *, instants: bool = False
) -> list[list[Summary]]:
    """Return the summary of each set of each partition.

    Args:
        values: Value of each row; ignored if not valid.
        valid: Whether a row has a value.
        partitions: Sets of rows.
        instants: Whether values are epoch seconds.
    """
    good = valid & ~np.isnan(values)
    kept = values[good]
    simple = all(each.is_whole for each in partitions)
    order = None if simple else np.argsort(kept)
    ascending = np.sort(kept) if order is None else kept[order]
    found: list[list[Summary]] = []
    for each in partitions:
        count = len(each.members)
        if each.is_whole:
            sizes, nulls = [values.size], [int(np.count_nonzero(~valid))]
            parts = [ascending]
        else:
            sizes = count_sets(each.codes, count)
            nulls = count_sets(each.codes[~valid], count)
            codes = each.codes[good][order]
            together, ends = split(codes, count)
            parts = np.split(ascending[together], ends[:-1])
        for_all: list[Summary] = []
        for rows, missing, part in zip(sizes, nulls, parts, strict=True):
            if instants:
                for_all.append(Instants(rows, missing, part))
            else:
                for_all.append(Numbers(rows, missing, part, rows - missing - part.size))
        found.append(for_all)
    return found


def summarize_categories(
    column: Coded, partitions: Sequence[Partition], names: list[str], *, texts: bool
) -> list[list[Summary]]:
    """Return the summary of each set of each partition.

    Args:
        column: Category of each row; its names are ignored.
        partitions: Sets of rows.
        names: Category by code.
        texts: Whether the categories are texts, not booleans.
    """
    valid = column.codes >= 0
    found: list[list[Summary]] = []
    for each in partitions:
        count = len(each.members)
        sizes = count_sets(each.codes, count)
        inside = valid & (each.codes >= 0)
        width = len(names)
        pairs = each.codes[inside] * width + column.codes[inside]
        if count * width <= 4 * pairs.size + 100_000:
            amounts = np.bincount(pairs, minlength=count * width)
            occurring = np.flatnonzero(amounts)
            amounts = amounts[occurring]
        else:
            occurring, amounts = np.unique(pairs, return_counts=True)
        at = np.searchsorted(occurring, np.arange(count + 1) * width)
        for_all: list[Summary] = []
        for code in range(count):
            ids = occurring[at[code] : at[code + 1]] - code * width
            counts = amounts[at[code] : at[code + 1]]
            missing = sizes[code] - int(counts.sum())
            for_all.append(Categories(sizes[code], missing, ids, counts, names, texts))
        found.append(for_all)
    return found


def summarize_presence(valid: "Mask", partitions: Sequence[Partition]) -> list[list[Summary]]:
    """Return the number of rows and nulls of each set, for columns of any type."""
    return [
        [
            Summary(rows, missing)
            for rows, missing in zip(
                count_sets(each.codes, len(each.members)),
                count_sets(each.codes[~valid], len(each.members)),
                strict=True,
            )
        ]
        for each in partitions
    ]


def count_sets(codes: "Codes", count: int) -> list[int]:
    """Return the number of rows in each set."""
    sizes: list[int] = np.bincount(codes + 1, minlength=count + 1)[1:].tolist()
    return sizes
