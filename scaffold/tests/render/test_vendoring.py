"""What a project has of the laptop: its wheel, and the lines that name it."""

import base64
import hashlib
import io
import json
import os
import re
import zipfile
from difflib import ndiff
from pathlib import Path

import pytest

from conformance.tests.projects import ROOT
from scaffold.errors import BuildError, SourceError
from scaffold.templates import read_source
from scaffold.tests.repositories import Engine
from scaffold.trees import File, Tree, read_repository
from scaffold.vendoring import build_wheel, vendor_laptop

WHEEL = re.compile(r"vendor/laptop-([\d.]+)-py3-none-any\.whl")


@pytest.fixture(scope="module")
def tree() -> Tree:
    return read_repository(ROOT)


def find_wheel(tree: Tree) -> tuple[str, bytes]:
    (found,) = ((path, file.content) for path, file in tree.items() if WHEEL.fullmatch(path))
    return found


def test_two_builds_are_equal_byte_for_byte(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    build_wheel.cache_clear()
    once = find_wheel(vendor_laptop(tree))
    build_wheel.cache_clear()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    mask = os.umask(0o077)
    try:
        assert find_wheel(vendor_laptop(tree)) == once
    finally:
        os.umask(mask)


def test_a_wheel_holds_nothing_that_differs_between_machines(tree: Tree) -> None:
    with zipfile.ZipFile(io.BytesIO(find_wheel(vendor_laptop(tree))[1])) as wheel:
        entries = wheel.infolist()
        (about,) = (name for name in wheel.namelist() if name.endswith(".dist-info/WHEEL"))
        assert b"Generator: scaffold\n" in wheel.read(about)
    names = [entry.filename for entry in entries]
    assert names[:-1] == sorted(names[:-1])
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}


def test_a_wheel_records_each_file_and_has_readme_licence_and_command(tree: Tree) -> None:
    path, content = find_wheel(vendor_laptop(tree))
    version = re.search(r'^version = "(.*)"', tree["laptop/pyproject.toml"].content.decode(), re.M)
    found = WHEEL.fullmatch(path)
    assert version is not None
    assert found is not None
    assert found.group(1) == version.group(1)
    about = f"laptop-{version.group(1)}.dist-info"
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist()}
    sources = {path for path in tree if path.startswith("laptop/src/")}
    assert {f"laptop/src/{name}" for name in files if not name.startswith(about)} == sources
    metadata = files[f"{about}/METADATA"]
    assert b"\nLicense-Expression: Apache-2.0\n" in metadata
    assert metadata.endswith(tree["laptop/README.md"].content)
    assert files[f"{about}/licenses/LICENSE"] == tree["laptop/LICENSE"].content
    assert b"laptop = laptop.cli:app" in files[f"{about}/entry_points.txt"]
    recorded = dict(line.split(",", 1) for line in files[f"{about}/RECORD"].decode().splitlines())
    assert recorded.pop(f"{about}/RECORD") == ","
    assert recorded.keys() == files.keys() - {f"{about}/RECORD"}
    for name, entry in recorded.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=")
        assert entry == f"sha256={digest.decode()},{len(files[name])}"


def test_a_project_names_the_wheel_where_the_root_names_a_member(
    engine: Engine, root: Path, tmp_path: Path
) -> None:
    answers = json.loads((root / ".template-answers.json").read_text())
    del answers["template_version"]
    project = engine.make(tmp_path, answers)
    path, content = find_wheel(read_source(root))
    assert (project / path).read_bytes() == content
    assert (project / "vendor/README.md").read_bytes() == (root / "laptop/README.md").read_bytes()
    name = path.removeprefix("vendor/")
    # Blocks of options, of which all are chosen, and of the root.
    marker = re.compile(r"^# \[(?:option: .*|root|end)\]\n", re.MULTILINE)
    before, after = ((of / "pyproject.toml").read_text() for of in (root, project))
    compared = ndiff(marker.sub("", before).splitlines(), after.splitlines())
    assert [line for line in compared if line.startswith(("+", "-"))] == [
        '- license = "Apache-2.0"',
        '- default-groups = ["dev", "streams"]',
        "- ",
        "- [tool.uv.workspace]",
        '- members = ["laptop"]',
        "- laptop = { workspace = true }",
        f'+ laptop = {{ path = "{path}" }}',
        '-     "tests/framework/unit",',
        '-     "tests/framework/problem/unit",',
        '-     "laptop/tests/unit",',
        '-     "scaffold/tests/unit",',
    ]
    own, made = (set((of / "uv.lock").read_text().splitlines()) for of in (root, project))
    assert own - made == {
        "[manifest]",
        "members = [",
        '    "flight-delays",',
        '    "laptop",',
        'default-groups = ["dev", "streams"]',
        '    { name = "laptop", editable = "laptop" },',
        'streams = [{ name = "laptop", extras = ["kafka", "postgres"], editable = "laptop" }]',
        'source = { editable = "laptop" }',
    }
    assert made - own == {
        f'    {{ name = "laptop", path = "{path}" }},',
        f'streams = [{{ name = "laptop", extras = ["kafka", "postgres"], path = "{path}" }}]',
        f'source = {{ path = "{path}" }}',
        f'    {{ filename = "{name}", hash = "sha256:{hashlib.sha256(content).hexdigest()}" }},',
    }


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("pyproject.toml", "laptop = { workspace = true }", 'laptop = { path = "laptop" }'),
        ("pyproject.toml", "[tool.uv.workspace]", "[tool.uv.Workspace]"),
        ("uv.lock", "[manifest]", "[manifested]"),
        ("uv.lock", 'source = { editable = "laptop" }', 'source = { directory = "laptop" }'),
        ("uv.lock", '{ name = "laptop", editable', '{ name = "laptop", directory'),
    ],
)
def test_a_laptop_that_is_named_otherwise_is_refused(
    tree: Tree, path: str, old: str, new: str
) -> None:
    text = tree[path].content.decode()
    assert old in text
    changed = {**tree, path: File(text.replace(old, new).encode())}
    with pytest.raises(SourceError, match=rf"^{re.escape(path)}: .* matches 0 times"):
        vendor_laptop(changed)


def test_a_missing_uv_is_named(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV", "no-such-uv")
    changed = {**tree, "laptop/README.md": File(b"Another.\n")}
    with pytest.raises(BuildError, match=r"There is no uv on the PATH\."):
        vendor_laptop(changed)


def test_a_laptop_that_cannot_be_built_is_refused_with_what_uv_says(tree: Tree) -> None:
    changed = {**tree, "laptop/pyproject.toml": File(b"[project]\nname = 'laptop'\n")}
    with pytest.raises(BuildError, match=r"^uv cannot build laptop/:\n"):
        vendor_laptop(changed)
