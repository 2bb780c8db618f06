from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from laptop.bundle import Identity, keep_newest, resolve
from laptop.deployment import catalogs_of, refuse_unresolved, run_script
from laptop.errors import LaptopError

ME = Identity("laptop@localhost", "laptop")


@pytest.mark.parametrize(
    ("text", "catalogs"),
    [
        ("resources: {schemas: {s: {catalog_name: a, name: x}}}", {"a"}),
        ("resources: {volumes: {v: {catalog_name: a, schema_name: x, name: y}}}", {"a"}),
        ("variables: {catalog: {default: a}, uc_catalog: {default: b}}", {"a", "b"}),
        ("variables: {table: {default: a.b.c}, host: {default: a.b}}", {"a"}),
        ("resources: {jobs: {j: {parameters: [{name: catalog, default: a}]}}}", {"a"}),
        (
            "resources: {jobs: {j: {tasks: [{task_key: t, python_wheel_task: {package_name: p, "
            "entry_point: e, parameters: [--catalog, a, --in_catalog=b, --day=c]}}]}}}",
            {"a", "b"},
        ),
        (
            "resources: {jobs: {j: {tasks: [{task_key: t, python_wheel_task: {package_name: p, "
            "entry_point: e, named_parameters: {catalog: a, day: b}}}]}}}",
            {"a"},
        ),
        ("resources: {schemas: {s: {name: x}}}", set()),
        ("variables: {catalog: {lookup: {metastore: m}}}", set()),
    ],
)
def test_the_catalogs_of_a_bundle_are_those_that_it_names(
    tmp_path: Path, text: str, catalogs: set[str]
) -> None:
    (tmp_path / "databricks.yml").write_text(f"bundle: {{name: sample}}\n{text}")
    assert set(catalogs_of([resolve(tmp_path, identity=ME)])) == catalogs


def test_of_several_wheels_the_newest_of_each_distribution_is_taken() -> None:
    names = [
        "a-1.0-py3-none-any.whl",
        "a-1.9-py3-none-any.whl",
        "a-1.10-py3-none-any.whl",
        "b-1.0-py3-none-any.whl",
        "c.jar",
    ]
    assert [file.name for file in keep_newest(map(Path, names))] == names[2:]


JOB: Mapping[str, Any] = {
    "tasks": [{"task_key": "a", "pipeline_task": {"pipeline_id": "${x}"}}, {"task_key": "b"}],
    "webhook_notifications": {"on_start": [{"id": "${y}"}]},
}


def test_a_task_that_needs_what_is_not_resolved_is_refused_by_name() -> None:
    why = {"${x}": "the laptop makes no pipelines", "${y}": "not known"}
    with pytest.raises(LaptopError, match=r"Job 'j', task 'a' needs \$\{x\}: .*--only b"):
        refuse_unresolved("j", JOB, why, ())
    with pytest.raises(LaptopError, match="task 'a'"):
        refuse_unresolved("j", JOB, why, ["a", "b"])


def test_a_task_of_a_kind_that_is_not_built_is_not_among_those_to_run_alone() -> None:
    job = {"tasks": [*JOB["tasks"], {"task_key": "c", "notebook_task": {"notebook_path": "/c"}}]}
    with pytest.raises(LaptopError, match=r"Run only the others: --only b$"):
        refuse_unresolved("j", job, {"${x}": "the laptop makes no pipelines"}, ())


def test_other_tasks_and_what_no_task_needs_are_not_refused() -> None:
    refuse_unresolved("j", JOB, {"${x}": "no pipelines"}, ["b"])
    refuse_unresolved("j", JOB, {"${y}": "not known"}, ())


def test_what_all_tasks_share_refuses_the_job() -> None:
    job = {"tasks": [], "parameters": [{"name": "p", "default": "in ${var.house}"}]}
    with pytest.raises(LaptopError, match=r"Job 'j' needs \$\{var\.house\}: it is a lookup"):
        refuse_unresolved("j", job, {"${var.house}": "it is a lookup"}, ())


def test_scripts_run_in_the_bundles_folder_and_a_failing_one_is_shown(tmp_path: Path) -> None:
    text = "experimental: {scripts: {predeploy: touch made, postdeploy: 'echo no >&2; exit 3'}}"
    (tmp_path / "databricks.yml").write_text(f"bundle: {{name: sample}}\n{text}")
    bundle = resolve(tmp_path, identity=ME)
    run_script(bundle, "predeploy")
    assert (tmp_path / "made").exists()
    with pytest.raises(LaptopError, match=r"Script 'postdeploy' failed: (?s:.*)no"):
        run_script(bundle, "postdeploy")
    run_script(bundle, "preinit")
