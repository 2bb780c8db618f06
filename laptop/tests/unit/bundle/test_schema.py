import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from laptop.bundle import Bundle, BundleError

Settle = Callable[..., Bundle]


@pytest.mark.parametrize(
    ("text", "key", "where", "meant"),
    [
        ("resource: {}", "resource", "the bundle", "resources"),
        ("targets: {t: {workspce: {}}}", "workspce", "targets.t", "workspace"),
        ("variables: {v: {default: 1, defualt: 1}}", "defualt", "variables.v", "default"),
        ("resources: {job: {}}", "job", "resources", "jobs"),
        ("resources: {jobs: {j: {task: []}}}", "task", "resources.jobs.j", "tasks"),
        ("resources: {jobs: {j: {schedule: {cron: x}}}}", "cron", "resources.jobs.j.schedule", ""),
        ("resources: {jobs: {j: {queue: {enable: 1}}}}", "enable", "jobs.j.queue", "enabled"),
        ("resources: {schemas: {s: {catalog: c}}}", "catalog", "schemas.s", "catalog_name"),
        ("resources: {registered_models: {m: {title: c}}}", "title", "registered_models.m", ""),
        ("resources: {experiments: {e: {tag: []}}}", "tag", "experiments.e", "tags"),
        ("artifacts: {a: {build: x, command: x}}", "command", "artifacts.a", ""),
        ("presets: {prefix: x}", "prefix", "presets", ""),
        ("targets: {t: {resources: {jobs: {j: {nam: x}}}}}", "nam", "t.resources.jobs.j", "name"),
    ],
)
def test_an_unknown_key_is_left_out_with_a_warning_that_says_what_may_stand_there(
    settle: Settle, text: str, key: str, where: str, meant: str
) -> None:
    bundle = settle(text)
    error = bundle.warnings[0]
    assert error.what.startswith("unknown field")
    assert f'"{key}": ' not in json.dumps(bundle.config)
    assert (error.got, str(error.file), error.line) == (key, "databricks.yml", 2)
    assert where in error.what
    assert meant == "" or f"Did you mean {meant!r}?" in str(error)
    assert error.allowed


@pytest.mark.parametrize(
    "text",
    [
        "x: &x {a: 1}",
        "x: {all: &x [1], more: [&y {b: 1}]}",
        "resources: {jobs: {j: {name: n, x-tags: &x {a: b}, tags: *x}}}",
        "x: &x {a: 1}\ny: *x",
    ],
)
def test_a_key_that_holds_anchors_alone_is_left_out_without_a_word(
    settle: Settle, text: str
) -> None:
    assert settle(text).warnings == ()


def test_a_key_beside_anchors_is_warned_of(settle: Settle) -> None:
    warnings = settle("x: {all: &x [1], more: 1}\ny: []").warnings
    assert [warning.got for warning in warnings] == ["x", "y"]


TASK = "resources:\n  jobs:\n    j:\n      tasks:\n        - task_key: a\n          "


@pytest.mark.parametrize(
    ("task", "key", "line"),
    [
        ("max_retry: 1", "max_retry", 7),
        ("python_wheel_task:\n            {package_name: p, entrypoint: e}", "entrypoint", 8),
        ("condition_task: {left: a, op: EQUAL_TO, rigth: b}", "rigth", 7),
        ("run_job_task: {job: 1}", "job", 7),
        ("for_each_task: {inputs: x, tasks: {}}", "tasks", 7),
        ("for_each_task:\n            inputs: x\n            task: {key: a}", "key", 9),
        ("notebook_task: {path: x}", "path", 7),
        ("sql_task: {warehouse: x}", "warehouse", 7),
        ("depends_on: [{task: b}]", "task", 7),
        ("for_each_task: {inputs: x, task: {task_key: b, for_each_task: {}}}", "for_each_task", 7),
    ],
)
def test_an_unknown_key_in_a_task_is_warned_of_with_its_line(
    settle: Settle, task: str, key: str, line: int
) -> None:
    warning = settle(TASK + task).warnings[0]
    assert warning.what.startswith("unknown field")
    assert (warning.got, warning.line) == (key, line)


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ("max_retries: many", r"tasks\[0\]\.max_retries must be a whole number, got 'many'"),
        ("timeout_seconds: 1.5", "must be a whole number, got '1.5'"),
        ("retry_on_timeout: perhaps", "must be true or false, got 'perhaps'"),
        ("run_if: SOMETIMES", "unknown value, got 'SOMETIMES'\n  Allowed: ALL_DONE"),
        ("depends_on: b", "must be a list, got 'b'"),
        ("python_wheel_task: x", "must be a mapping, got 'x'"),
        ("description: ", "must be text, got 'nothing'"),
        ("python_wheel_task: {package_name: p}", "lacks entry_point"),
        ("for_each_task: {inputs: '[1]'}", "lacks task"),
    ],
)
def test_a_value_of_the_wrong_kind_is_warned_of(settle: Settle, task: str, problem: str) -> None:
    bundle = settle(TASK + task)
    assert re.search(problem, str(bundle.warnings[0]))
    kept = "unknown value" in problem or "lacks" in problem
    assert (task.partition(":")[0] in bundle.jobs["j"]["tasks"][0]) == kept


def test_a_mapping_that_is_left_empty_is_left_out_without_a_word(settle: Settle) -> None:
    bundle = settle(TASK + "python_wheel_task: ")
    assert bundle.warnings == ()
    assert bundle.jobs["j"]["tasks"] == [{"task_key": "a"}]


@pytest.mark.parametrize("text", ["targets: {t: {mode: test}}", "bundle: {name: b, engine: x}"])
def test_an_unknown_mode_or_engine_is_refused(settle: Settle, text: str) -> None:
    files = {"bundle.yml": text if "name" in text else "bundle: {name: b}\n" + text}
    with pytest.raises(BundleError, match="unknown value"):
        settle(files)


@pytest.mark.parametrize(
    ("task", "path", "expected"),
    [
        ("max_retries: '2'", ("max_retries",), 2),
        ("max_retries: ${var.two}", ("max_retries",), 2),
        ("max_retries: 2.0", ("max_retries",), 2),
        ("retry_on_timeout: yes", ("retry_on_timeout",), True),
        ("description: true", ("description",), "true"),
        ("description: ${var.two}", ("description",), "2"),
        (
            "spark_python_task: {python_file: /w, parameters: [1, true, '${var.two}']}",
            ("spark_python_task", "parameters"),
            ["1", "true", "2"],
        ),
        (
            "notebook_task: {notebook_path: /w, base_parameters: '${var.map}'}",
            ("notebook_task", "base_parameters"),
            {"a": "1"},
        ),
        (
            "run_job_task: {job_id: '${resources.jobs.j.id}'}",
            ("run_job_task", "job_id"),
            "${resources.jobs.j.id}",
        ),
    ],
)
def test_values_are_put_into_the_kind_the_api_takes(
    settle: Settle, task: str, path: tuple[str, ...], expected: Any
) -> None:
    variables = "variables: {two: {default: 2}, map: {type: complex, default: {a: 1}}}\n"
    value = settle(variables + TASK + task).jobs["j"]["tasks"][0]
    for step in path:
        value = value[step]
    assert value == expected
    assert type(value) is type(expected)


def test_a_variable_with_an_unknown_key_is_warned_of_where_the_variable_was_written(
    settle: Settle,
) -> None:
    text = "variables: {wheel: {type: complex, default: {package: p}}}\n"
    warning = settle(text + TASK + "python_wheel_task: ${var.wheel}").warnings[0]
    assert re.search(r"2: unknown field in .*python_wheel_task, got 'package'", str(warning))


def test_a_list_item_of_the_wrong_kind_is_left_out(settle: Settle) -> None:
    bundle = settle(TASK + "depends_on:\n            - {task_key: b}\n            - c")
    wanted = r"databricks\.yml:9: .*depends_on\[1\] must be a mapping"
    assert re.search(wanted, str(bundle.warnings[0]))
    assert bundle.jobs["j"]["tasks"][0]["depends_on"] == [{"task_key": "b"}]


def test_empty_text_is_dropped_where_it_is_optional_and_kept_where_it_is_required(
    settle: Settle,
) -> None:
    job = settle(
        "resources: {jobs: {j: {description: '', parameters: [{name: p, default: ''}], "
        "tags: {t: ''}}}}"
    ).jobs["j"]
    assert "description" not in job
    assert job["parameters"] == [{"name": "p", "default": ""}]
    assert job["tags"] == {"t": ""}


def test_resources_the_laptop_does_not_read_are_carried(settle: Settle) -> None:
    bundle = settle("resources: {apps: {a: {name: x, any: {thing: [1]}}}}")
    assert bundle.config["resources"]["apps"]["a"] == {"name": "x", "any": {"thing": [1]}}
