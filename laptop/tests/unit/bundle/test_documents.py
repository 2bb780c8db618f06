from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from laptop.bundle import Bundle, BundleError, Identity, find_root, resolve

Settle = Callable[..., Bundle]


def test_the_root_is_found_upwards(tmp_path: Path) -> None:
    (tmp_path / "databricks.yml").write_text("bundle: {name: a}")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_root(inner) == tmp_path.resolve()


def test_a_missing_root_says_where_it_was_looked_for_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="-C DIR") as raised:
        find_root(tmp_path)
    assert str(tmp_path) in str(raised.value)


def test_includes_are_merged_once_each_in_sorted_order(settle: Settle) -> None:
    bundle = settle(
        {
            "databricks.yml": "include: ['conf/*.yml', conf/a.yml, ./more.json]",
            "conf/b.yml": "variables: {v: {default: from b}}",
            "conf/a.yml": "variables: {v: {default: from a, description: kept}}",
            "more.json": '{"variables": {"w": {"default": 1}}}',
            "conf/deep/c.yml": "not: read",
        }
    )
    assert bundle.config["include"] == ["conf/a.yml", "conf/b.yml", "more.json"]
    assert bundle.config["variables"]["v"] == {
        "default": "from b",
        "description": "kept",
        "value": "from b",
    }


def test_two_stars_in_an_include_reach_no_further_than_one(settle: Settle) -> None:
    bundle = settle({"databricks.yml": "include: ['**/c.yml']", "a/c.yml": "", "a/b/c.yml": ""})
    assert bundle.config["include"] == ["a/c.yml"]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"databricks.yml": "include: [no.yml]"}, "names a file that does not exist"),
        ({"databricks.yml": "include: ['*.txt']", "a.txt": ""}, "YAML and JSON files only"),
        ({"databricks.yml": "include: [/etc/x.yml]"}, "must be relative"),
        ({"databricks.yml": "include: [a.yml]", "a.yml": "- 1"}, "a.yml:1: .* must be a mapping"),
        ({"databricks.yml": "\n\nsync: {a: b"}, r"databricks.yml:\d: not YAML"),
        ({"databricks.yml": "sync: {}\nsync: {}"}, "3: a key is given twice, first in line 2"),
        ({"databricks.yml": "variables: {1: {default: a}}"}, "a key must be text"),
        ({"databricks.yml": "variables: {<<: 1}"}, "merges mappings only"),
    ],
)
def test_files_that_cannot_be_read_are_refused(
    settle: Settle, files: dict[str, str], problem: str
) -> None:
    with pytest.raises(BundleError, match=problem):
        settle(files)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("on", "on"),
        ("no", "no"),
        ("1:30", "1:30"),
        ("2013-01-01", "2013-01-01"),
        ("'5'", "5"),
        ("007", 7),
        ("1_000", 1000),
        ("0x10", 16),
        ("1e3", 1000.0),
        ("True", True),
        ("|\n    two\n    lines", "two\nlines"),
    ],
)
def test_scalars_are_read_as_the_cli_reads_them(settle: Settle, written: str, read: Any) -> None:
    value = settle(f"variables:\n  v:\n   default: {written}").config["variables"]["v"]["value"]
    assert value == read
    assert type(value) is type(read)


def test_anchors_and_merge_keys_are_followed(settle: Settle) -> None:
    bundle = settle(
        "variables:\n"
        "  a: {type: complex, default: &base {x: 1, y: 2}}\n"
        "  b: {type: complex, default: {<<: *base, y: 3}}\n"
    )
    assert bundle.config["variables"]["b"]["value"] == {"x": 1, "y": 3}


def test_one_key_for_two_resources_is_refused_with_both_places(settle: Settle) -> None:
    with pytest.raises(BundleError, match=r"b\.yml:1: two resources .* a\.yml:1, got 'same'"):
        settle(
            {
                "databricks.yml": "include: ['*.yml']",
                "a.yml": "resources: {jobs: {same: {}}}",
                "b.yml": "resources: {schemas: {same: {}}}",
            }
        )


def test_one_key_for_two_resources_of_one_file_is_refused(settle: Settle) -> None:
    with pytest.raises(BundleError, match=r"two resources have one key"):
        settle("resources: {jobs: {same: {}}, schemas: {same: {catalog_name: c, name: n}}}")


def test_a_bundle_without_a_name_is_refused(write: Callable[..., Path], settle: Settle) -> None:
    root = write({"a.yml": ""})
    (root / "databricks.yml").write_text("resources: {}")
    with pytest.raises(BundleError, match=r"bundle\.name"):
        settle({})


@pytest.mark.parametrize("name", ["databricks.yaml", "bundle.yml", "bundle.yaml"])
def test_the_bundles_own_file_may_have_other_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("bundle: {name: other}\ninclude: ['*.y*ml']")
    assert find_root(tmp_path) == tmp_path.resolve()
    bundle = resolve(tmp_path, identity=Identity("laptop@localhost", "laptop"))
    assert (bundle.name, bundle.warnings) == ("other", ())


def test_two_own_files_are_refused_by_name(settle: Settle) -> None:
    with pytest.raises(BundleError, match=r"got 'databricks\.yml and bundle\.yml'"):
        settle({"databricks.yml": "", "bundle.yml": ""})


def test_include_in_an_included_file_is_left_out_with_a_warning(settle: Settle) -> None:
    bundle = settle({"databricks.yml": "include: [a.yml]", "a.yml": "include: [b.yml]"})
    assert "include is left out" in bundle.warnings[0].what
    assert bundle.config["include"] == ["a.yml"]
