from collections.abc import Callable
from typing import Any

import pytest
from laptop.bundle import Bundle, BundleError

Settle = Callable[..., Bundle]

VARIABLES = """
variables:
  word: {default: text}
  count: {default: 3}
  half: {default: 0.5}
  big: {default: 1e3}
  yes: {default: true}
  nested: {default: "${var.word}-${var.count}"}
  all: {type: complex, default: {list: [a, "${var.nested}"], map: {x: "${var.yes}"}}}
  whole: {type: complex, default: "${var.all}"}
  probe: {default: PROBE}
targets:
  t: {workspace: {host: https://example.test}}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${var.word}", "text"),
        ("${var.count}", 3),
        ("${var.yes}", True),
        ("a ${var.count} ${var.yes} ${var.half} ${var.big}", "a 3 true 0.5 1000"),
        ("${variables.word.value}", "text"),
        ("${var.nested}", "text-3"),
        ("${var.all.list[1]}", "text-3"),
        ("${var.all.map.x}", True),
        ("${bundle.name}/${bundle.target}/${bundle.environment}", "sample/t/t"),
        ("${bundle.git.commit}${bundle.git.branch}${bundle.uuid}|", "|"),
        ("${workspace.host}", "https://example.test"),
        ("${workspace.root_path}", "/Workspace/Users/laptop@localhost/.bundle/sample/t"),
        ("${workspace.file_path}", "/Workspace/Users/laptop@localhost/.bundle/sample/t/files"),
        ("${workspace.current_user.userName}", "laptop@localhost"),
        ("${workspace.current_user.short_name}", "laptop"),
        (
            "{{tasks.train.values.model_uri}} {{job.id}}",
            "{{tasks.train.values.model_uri}} {{job.id}}",
        ),
        ("${HOME} $HOME ${artifacts.a.path}", "${HOME} $HOME ${artifacts.a.path}"),
    ],
)
def test_a_reference_becomes_its_value(settle: Settle, text: str, expected: Any) -> None:
    bundle = settle(VARIABLES.replace("PROBE", f"'{text}'"))
    value = bundle.config["variables"]["probe"]["value"]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "${var.wrod}",
            r"databricks.yml:\d+: \$\{var.wrod\} does not exist(?s:.*)Did you mean 'word'",
        ),
        ("${bundle.nmae}", r"does not exist(?s:.*)Did you mean 'name'"),
        ("${workspace.current_user.email}", r"got 'email'\n  Allowed: .*userName"),
        ("${vars.word}", r"unknown reference(?s:.*)Allowed: .*var"),
        ("${resources.jobs.x.id}", "no such resources, got 'jobs'"),
        ("${var.word }", r"malformed, got '\$\{var.word \}'"),
        ("a ${var.all}", "is a mapping, which cannot stand inside a longer text"),
        ("${var.whole.list}", "does not exist, got 'list'"),
        ("${bundle.name[0]}", "does not exist, got '0'"),
        ("${var.probe}", r"are circular, got 'var.probe → var.probe'"),
    ],
)
def test_a_reference_to_nothing_is_refused_with_its_line(
    settle: Settle, text: str, problem: str
) -> None:
    with pytest.raises(BundleError, match=problem) as raised:
        settle(VARIABLES.replace("PROBE", f"'{text}'"))
    assert (str(raised.value.file), raised.value.line) == ("databricks.yml", 12)


def test_a_cycle_is_named_in_full(settle: Settle) -> None:
    with pytest.raises(BundleError, match=r"var\.b → var\.c → var\.a → var\.b"):
        settle(
            "variables: {a: {default: '${var.b}'}, b: {default: 'x${var.c}'}, "
            "c: {default: ['${var.a}']}}"
        )


RESOURCES = """
resources:
  schemas: {main: {catalog_name: c, name: s}}
  jobs: {go: {description: "PROBE"}}
  apps: {al: {name: x}}
"""


@pytest.mark.parametrize(
    "text",
    [
        "${resources.schemas.main.id}",
        "${resources.schemas.main.full_name}",
        "${resources.jobs.go.id}",
        "${resources.apps.al.anything}",
        "x ${resources.schemas.main.name} y",
    ],
)
def test_references_to_resources_stay_as_they_are(settle: Settle, text: str) -> None:
    assert settle(RESOURCES.replace("PROBE", text)).jobs["go"]["description"] == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${resources.shemas.main.id}", "no such resources(?s:.*)Did you mean 'schemas'"),
        ("${resources.schemas.mian.id}", "does not exist(?s:.*)Did you mean 'main'"),
        ("${resources.schemas.main.nme}", "no such field(?s:.*)Did you mean 'name'"),
        ("${resources.schemas}", r"names resources\.TYPE\.KEY\.FIELD"),
    ],
)
def test_an_unknown_resource_is_refused(settle: Settle, text: str, problem: str) -> None:
    with pytest.raises(BundleError, match=problem):
        settle(RESOURCES.replace("PROBE", text))
