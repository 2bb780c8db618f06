"""Diverse combinations of answers that cover every choice of every option."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, cycle, product

from conformance.tests.projects import ROOT
from scaffold.manifest import load_manifest
from scaffold.tests.rendering import Answers

MANIFEST = load_manifest(ROOT / "scaffold" / "manifest.toml")


def cover_pairs(options: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Return a small pairwise covering of the choices, those with the most new pairs first."""
    whole = [dict(zip(options, row, strict=True)) for row in product(*options.values())]
    missing = {pair for row in whole for pair in _list_pairs(row)}
    rows: list[dict[str, str]] = []
    while missing:
        # Break ties by the fewest repeated choices, so that the first rows cover every choice.
        seen = Counter(choice for row in rows for choice in row.items())
        best = max(
            whole,
            key=lambda row: (len(missing & _list_pairs(row)), -sum(seen[c] for c in row.items())),
        )
        missing -= _list_pairs(best)
        rows.append(best)
    return rows


def _list_pairs(row: Mapping[str, str]) -> set[tuple[tuple[str, str], ...]]:
    return set(combinations(row.items(), min(2, len(row))))


PAIRS = cover_pairs(MANIFEST.options)

_NAMED: dict[str, Answers] = {
    "defaults": {"project_name": "my_mlops_project"},
    "three letters": {
        "project_name": "air",
        "staging_host": "https://workspace.example.com",
        "prod_host": "https://workspace.example.com",
        "staging_principal": "12345678-1234-1234-1234-123456789012",
        "prod_principal": "12345678-1234-1234-1234-123456789012",
        "dev_catalog": "ml",
        "staging_catalog": "ml2",
        "prod_catalog": "ml3",
        "schema": "s1",
        "default_branch": "main/line",
        "release_branch": "main-line",
        "readers": "null",
    },
    "thirty letters": {
        "project_name": "zebra_of_thirty_letters_in_all",
        "schema": f"of_{'s' * 60}",
        "prod_catalog": f"of_{'c' * 60}",
        "default_branch": "trunk/next",
        "release_branch": "live-1.x",
        "readers": "Data Science - EMEA",
        "notification_email": "on-call+ml@example.org",
    },
    "before laptop": {
        "project_name": "a1_2_3",
        "staging_host": "https://adb-1234567890123456.7.azuredatabricks.net",
        "prod_host": "https://1e3",
        "staging_principal": "00000000-0000-0000-0000-000000000000",
        "dev_catalog": "e1_e2",
        "schema": "a__b",
        "release_branch": "e1",
        "readers": "Yes",
    },
    "after laptop": {
        "project_name": "qx7_late",
        "dev_catalog": "shared",
        "staging_catalog": "shared",
        "schema": "late_arrivals",
        "default_branch": "master",
        "release_branch": "B" * 100,
        "readers": "O" * 100,
        "notification_email": f"{'a' * 64}@{'b' * 190}",
    },
    "like values of YAML": {
        "project_name": "null_1e3",
        "dev_catalog": "nan",
        "staging_catalog": "no",
        "prod_catalog": "yes",
        "schema": "off",
        "default_branch": "true",
        "release_branch": "y1",
        "readers": "no",
        "notification_email": "1e3@0x1F",
    },
}

SHAPES: dict[str, Answers] = {
    name: {**answers, **choices}
    for (name, answers), choices in zip(_NAMED.items(), cycle(PAIRS), strict=False)
}
"""Six answer files."""

THOROUGH = ("three letters", "after laptop")
"""Those whose demo and tests on workspaces run in `make nightly`; one has no endpoint."""
