"""Who may import whom."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = "flight_delays"
ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src"
LAPTOP_SOURCES = ROOT / "laptop" / "src"

# Parts of the standard library through which a clock, chance or the world outside comes in.
EFFECTS = {
    "asyncio", "ctypes", "http", "importlib", "io", "logging", "multiprocessing", "os", "pathlib",
    "random", "secrets", "shutil", "socket", "sqlite3", "subprocess", "tempfile", "threading",
    "time", "urllib", "uuid",
}  # fmt: skip


def list_modules(folder: Path) -> list[Path]:
    """List the Python files below a folder; that there are none is a failure."""
    modules = sorted(folder.rglob("*.py"))
    assert modules, f"no module below {folder}"
    return modules


def find_imports(module: Path, sources: Path) -> Iterator[str]:
    """Yield the absolute dotted names that a module imports, wherever in it."""
    package = module.relative_to(sources).parts[:-1]
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{name.name}" for name in node.names)


def lies_in(name: str, packages: tuple[str, ...]) -> bool:
    """Tell whether a dotted name is one of the packages or lies in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def find_mentions(folder: Path, word: str) -> list[str]:
    """List the text files below a folder that hold a word, in any case and any of its forms."""
    form = re.escape(word).replace("_", "[-_ ]")
    pattern = re.compile(rf"(?<![a-z0-9]){form}(?![a-z0-9])", re.IGNORECASE)
    files = [path for path in folder.rglob("*") if path.suffix in {".py", ".yml", ".yaml", ".toml"}]
    assert files, f"no text below {folder}"
    return [str(path) for path in files if pattern.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a.b, c", {"a.b", "c"}),
        ("from a import b, c", {"a.b", "a.c"}),
        ("from . import x", {"top.part.x"}),
        ("from .x import y", {"top.part.x.y"}),
        ("from .. import other", {"top.other"}),
        ("from ..other.deep import z", {"top.other.deep.z"}),
        ("def f():\n    from ..other import z", {"top.other.z"}),
        ("if True:\n    import a", {"a"}),
    ],
)
def test_every_form_of_import_is_found(source: str, expected: set[str], tmp_path: Path) -> None:
    module = tmp_path / "top" / "part" / "module.py"
    module.parent.mkdir(parents=True)
    module.write_text(source)
    assert set(find_imports(module, tmp_path)) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import some_word", True),
        ("# Some-word's own", True),
        ("title: Some Word", True),
        ("awesome_words", False),
    ],
)
def test_every_form_of_a_word_is_found(text: str, found: bool, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(text)
    assert bool(find_mentions(tmp_path, "some_word")) is found


@pytest.mark.parametrize("package", ["evaluation", "promotion"])
def test_pure_rooms_import_nothing_of_the_platform(package: str) -> None:
    allowed = ("numpy", "pandas", "pydantic", "sklearn", PROJECT)
    standard = tuple(sys.stdlib_module_names - EFFECTS)
    wrong = [
        (module.name, name)
        for module in list_modules(SOURCES / PROJECT / package)
        for name in find_imports(module, SOURCES)
        if not lies_in(name, (*allowed, *standard))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("package", "strangers"),
    [
        ("problem", ("promotion", "lakehouse", "reports", "tasks")),
        ("evaluation", ("config", "spec", "problem", "promotion", "lakehouse", "reports", "tasks")),
        ("config", ("spec", "problem", "promotion", "lakehouse", "reports", "tasks")),
        ("spec", ("problem", "promotion", "lakehouse", "reports", "tasks")),
        ("promotion", ("spec", "problem", "lakehouse", "reports", "tasks")),
        ("lakehouse", ("problem", "reports", "tasks")),
        ("reports", ("problem", "spec", "lakehouse", "tasks")),
    ],
)
def test_arrows_point_one_way(package: str, strangers: tuple[str, ...]) -> None:
    forbidden = (*(f"{PROJECT}.{stranger}" for stranger in strangers), "laptop")
    wrong = [
        (module.name, name)
        for module in list_modules(SOURCES / PROJECT / package)
        for name in find_imports(module, SOURCES)
        if lies_in(name, forbidden)
    ]
    assert wrong == []


def test_the_project_imports_itself_by_relative_names_only() -> None:
    wrong = [
        str(module)
        for module in list_modules(SOURCES / PROJECT)
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if (isinstance(node, ast.ImportFrom) and node.level == 0 and node.module)
        and lies_in(node.module, (PROJECT,))
    ]
    assert wrong == []


def test_the_project_never_mentions_the_laptop() -> None:
    assert find_mentions(SOURCES / PROJECT, "laptop") == []


def test_the_laptop_never_mentions_the_project() -> None:
    assert find_mentions(LAPTOP_SOURCES, PROJECT) == []
