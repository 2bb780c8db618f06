"""The parity table of the README is the declared one, and what it says is shown by tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..parity import README, ROOT, Row, load_parity, write_readme

PARITY = load_parity()
ADVICE = "Run `make parity`, and review what it changes in laptop/README.md."
# What a test that goes through a client names, itself or in what it uses.
NAMES = {
    "databricks CLI": {"Databricks", "Deployment", "Open"},
    "databricks-sdk": {"WorkspaceClient", "ServingEndpointsAPI"},
    "databricks-feature-engineering": {"Source"},
    "mlflow": {"mlflow"},
    "Spark Connect": {"SparkSession"},
    "laptop": {"Toy"},
}

each_witness = pytest.mark.parametrize(
    "row", [row for row in PARITY.rows if row.witness], ids=lambda row: row.surface
)


def definitions(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Yield what a test's file, and each conftest above it, defines, by name."""
    files = [path, *(folder / "conftest.py" for folder in path.parents if folder != ROOT)]
    for file in files:
        if file.is_file() and file.is_relative_to(ROOT):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    yield node.name, node


def names_in(node: ast.AST) -> set[str]:
    found = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return found | {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}


def reach(row: Row) -> set[str]:
    """Return the names in a witness and in whatever it uses of its file and conftests."""
    file, _, name = row.witness.partition("::")
    known: dict[str, ast.AST] = {}
    for defined, node in definitions(ROOT / file):
        known.setdefault(defined, node)
    reached, left = set[str](), {name}
    while left:
        one = left.pop()
        reached.add(one)
        if one in known:
            left |= names_in(known[one]) - reached
    return reached


def test_the_table_of_the_readme_is_the_declared_one() -> None:
    assert README.read_text() == write_readme(PARITY), ADVICE


def test_each_surface_stands_once() -> None:
    surfaces = [row.surface for row in PARITY.rows]
    assert len(surfaces) == len(set(surfaces)) > 40


@each_witness
def test_a_witness_is_there_and_goes_through_the_client(row: Row) -> None:
    file, _, name = row.witness.partition("::")
    assert name.startswith("test_")
    assert name in dict(definitions(ROOT / file)), f"{row.witness} is not there. {ADVICE}"
    assert reach(row) & NAMES[row.client], f"{row.witness} does not go through {row.client}"
