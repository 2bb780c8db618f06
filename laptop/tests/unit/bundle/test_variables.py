from collections.abc import Callable

import pytest
from laptop.bundle import Bundle, BundleError

Settle = Callable[..., Bundle]

ONE = "variables: {v: {default: default}}\ntargets: {t: {variables: {v: target}}}"


def value(bundle: Bundle, name: str = "v") -> object:
    return bundle.config["variables"][name]["value"]


def test_the_nearest_value_wins(settle: Settle, monkeypatch: pytest.MonkeyPatch) -> None:
    override = {".databricks/bundle/t/variable-overrides.json": '{"v": "file"}'}
    assert value(settle("variables: {v: {default: default}}")) == "default"
    assert value(settle(ONE)) == "target"
    assert value(settle({"databricks.yml": ONE, **override})) == "file"
    monkeypatch.setenv("BUNDLE_VAR_v", "environment")
    assert value(settle(ONE)) == "environment"
    assert value(settle(ONE, variables={"v": "given"})) == "given"


def test_a_lookup_stays_with_its_reason_unless_the_variable_has_a_value(settle: Settle) -> None:
    text = "variables: {house: {lookup: {warehouse: Shared}}}"
    bundle = settle(text + "\nresources: {jobs: {j: {name: 'in ${var.house}'}}}")
    assert bundle.jobs["j"]["name"] == "in ${var.house}"
    assert "variable house has a `lookup` that finds nothing" in bundle.unresolved["${var.house}"]
    assert "BUNDLE_VAR_house" in bundle.unresolved["${var.house}"]
    assert value(settle(text, variables={"house": "abc"}), "house") == "abc"
    assert value(settle(text + "\ntargets: {t: {variables: {house: def}}}"), "house") == "def"


@pytest.mark.parametrize(
    ("text", "given", "problem"),
    [
        ("variables: {v: }", {}, "variable v has no value"),
        ("variables: {v: {default: 1}}", {"w": "1"}, "unknown variable, got 'w'\n  Allowed: v"),
        ("variables: {v: {type: complex, default: []}}", {"v": "1"}, "in YAML only"),
        ("targets: {t: {variables: {w: 1}}}", {}, "sets an unknown variable, got 'w'"),
    ],
)
def test_what_cannot_be_a_variable_is_refused(
    settle: Settle, text: str, given: dict[str, str], problem: str
) -> None:
    with pytest.raises(BundleError, match=problem):
        settle(text, variables=given)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("{a: 1}", {"a": 1}),
        ("{default: {b: 2}}", {"b": 2}),
        ("{type: complex, default: {c: 3}}", {"c": 3}),
        ("{default: 1, other: 2}", {"default": 1, "other": 2}),
    ],
)
def test_a_target_sets_a_complex_variable_in_short_or_in_full(
    settle: Settle, override: str, expected: object
) -> None:
    text = f"variables: {{v: {{type: complex}}}}\ntargets: {{t: {{variables: {{v: {override}}}}}}}"
    assert value(settle(text)) == expected
