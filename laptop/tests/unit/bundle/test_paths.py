from collections.abc import Callable
from pathlib import Path

import pytest
from laptop.bundle import Bundle, BundleError, Identity, resolve

Settle = Callable[..., Bundle]

FILES = "/Workspace/Users/laptop@localhost/.bundle/sample/default/files"
ROOT = "include: ['resources/*.yml']\nvariables: {whl: {default: ../dist/v.whl}}\n"
ENVIRONMENT = (
    "resources: {{jobs: {{j: {{environments: "
    "[{{environment_key: e, spec: {{dependencies: ['{}']}}}}]}}}}}}"
)


@pytest.mark.parametrize(
    ("dependency", "expected"),
    [
        ("../dist/*.whl", "./dist/*.whl"),
        ("./x.whl", "./resources/x.whl"),
        ("dist/x.whl", "./resources/dist/x.whl"),
        ("../../out/x.whl", "../out/x.whl"),
        ("${var.whl}", "./dist/v.whl"),
        ("-r ../requirements.txt", f"-r {FILES}/requirements.txt"),
        ("numpy", "numpy"),
        ("numpy>=1.2,<3", "numpy>=1.2,<3"),
        ("mlflow[databricks] ==3.1.0rc1", "mlflow[databricks] ==3.1.0rc1"),
        ("a @ https://example.test/a.whl", "a @ https://example.test/a.whl"),
        ("--index-url https://example.test", "--index-url https://example.test"),
        ("/Workspace/x.whl", "/Workspace/x.whl"),
        ("dbfs:/x.whl", "dbfs:/x.whl"),
    ],
)
def test_a_local_dependency_is_meant_from_the_file_it_is_written_in(
    settle: Settle, dependency: str, expected: str
) -> None:
    bundle = settle(
        {
            "databricks.yml": ROOT,
            "resources/j.job.yml": ENVIRONMENT.format(dependency),
            "requirements.txt": "",
        }
    )
    assert bundle.jobs["j"]["environments"][0]["spec"]["dependencies"] == [expected]


def test_a_path_inside_a_complex_variable_is_meant_from_the_variables_file(settle: Settle) -> None:
    complex_variable = "variables: {deps: {type: complex, default: [./dist/a.whl]}}\n"
    bundle = settle(
        {
            "databricks.yml": "include: ['resources/*.yml']\n" + complex_variable,
            "resources/j.yml": ENVIRONMENT.format("").replace("['']", "'${var.deps}'"),
        }
    )
    assert bundle.jobs["j"]["environments"][0]["spec"]["dependencies"] == ["./dist/a.whl"]


TASK = "resources: {{jobs: {{j: {{tasks: [{{task_key: t, {}}}]}}}}}}"
PROJECT = {
    "databricks.yml": ROOT,
    "src/script.py": "print()\n",
    "src/book.py": "# Databricks notebook source\n",
    "src/other.ipynb": "{}",
    "src/query.sql": "select 1",
}


@pytest.mark.parametrize(
    ("task", "path", "expected"),
    [
        (
            "spark_python_task: {python_file: ../src/script.py}",
            ("spark_python_task", "python_file"),
            f"{FILES}/src/script.py",
        ),
        (
            "notebook_task: {notebook_path: ../src/book.py}",
            ("notebook_task", "notebook_path"),
            f"{FILES}/src/book",
        ),
        (
            "notebook_task: {notebook_path: ../src/other.ipynb}",
            ("notebook_task", "notebook_path"),
            f"{FILES}/src/other",
        ),
        (
            "notebook_task: {notebook_path: /Shared/x}",
            ("notebook_task", "notebook_path"),
            "/Shared/x",
        ),
        (
            "sql_task: {warehouse_id: w, file: {path: ../src/query.sql}}",
            ("sql_task", "file", "path"),
            f"{FILES}/src/query.sql",
        ),
        ("libraries: [{whl: ../dist/*.whl}]", ("libraries", 0, "whl"), "dist/*.whl"),
        ("libraries: [{jar: /Volumes/x.jar}]", ("libraries", 0, "jar"), "/Volumes/x.jar"),
        (
            "for_each_task: {inputs: '[]', task: "
            "{task_key: i, spark_python_task: {python_file: ../src/script.py}}}",
            ("for_each_task", "task", "spark_python_task", "python_file"),
            f"{FILES}/src/script.py",
        ),
    ],
)
def test_a_tasks_file_becomes_its_path_in_the_workspace(
    settle: Settle, task: str, path: tuple[str | int, ...], expected: str
) -> None:
    value = settle({**PROJECT, "resources/j.yml": TASK.format(task)}).jobs["j"]["tasks"][0]
    for step in path:
        value = value[step]
    assert value == expected


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        (
            "spark_python_task: {python_file: src/no.py}",
            r"j\.yml:1: no such file .*, got 'src/no.py'",
        ),
        ("spark_python_task: {python_file: ../../x.py}", "no such file among those synchronized"),
        (
            "spark_python_task: {python_file: ../src/book.py}",
            "a file that is not a notebook is wanted",
        ),
        ("notebook_task: {notebook_path: ../src/script.py}", "a notebook is wanted here"),
    ],
)
def test_a_file_that_is_not_there_or_of_the_wrong_kind_is_refused(
    settle: Settle, task: str, problem: str
) -> None:
    with pytest.raises(BundleError, match=problem):
        settle({**PROJECT, "resources/j.yml": TASK.format(task)})


def test_a_wheel_artifact_is_looked_for_in_its_dist(settle: Settle, tmp_path: Path) -> None:
    root = tmp_path.resolve()
    bundle = settle(
        {
            "databricks.yml": "include: [a/b.yml]\nartifacts: {one: {type: whl, build: uv build}}",
            "a/b.yml": "artifacts: {two: {path: ../pkg, build: make, files: [{source: ../out/*}]}}",
            "pkg/x": "",
        }
    )
    assert bundle.artifacts == {
        "one": {
            "type": "whl",
            "build": "uv build",
            "path": str(root),
            "files": [{"source": f"{root}/dist/*.whl"}],
        },
        "two": {"path": f"{root}/pkg", "build": "make", "files": [{"source": f"{root}/out/*"}]},
    }


def test_a_preset_makes_the_versions_of_wheels_dynamic(settle: Settle) -> None:
    artifacts = "artifacts: {w: {type: whl, build: x}, o: {build: x}}\n"
    bundle = settle(artifacts + "presets: {artifacts_dynamic_version: true}")
    assert bundle.artifacts["w"]["dynamic_version"] is True
    assert "dynamic_version" not in bundle.artifacts["o"]


def test_an_artifact_without_its_folder_is_refused(settle: Settle) -> None:
    with pytest.raises(BundleError, match="has no directory"):
        settle("artifacts: {a: {build: x, path: no}}")


def test_synchronized_paths_above_the_root_move_what_files_are_relative_to(
    write: Callable[..., Path],
) -> None:
    root = write({"in/databricks.yml": "", "in/x.py": "", "shared/y": ""}) / "in"
    (root / "databricks.yml").write_text(
        "bundle: {name: sample}\nsync: {paths: [., ../shared], exclude: [tmp]}\n"
        + TASK.format("spark_python_task: {python_file: x.py}")
    )
    bundle = resolve(root, identity=Identity("laptop@localhost", "laptop"))
    assert bundle.config["sync"] == {"paths": ["in", "shared"], "exclude": ["in/tmp"]}
    task = bundle.jobs["j"]["tasks"][0]
    assert task["spark_python_task"]["python_file"] == f"{FILES}/in/x.py"


def test_a_file_outside_what_is_synchronized_is_refused(write: Callable[..., Path]) -> None:
    root = write({"in/databricks.yml": "", "shared/y.py": ""}) / "in"
    task = TASK.format("spark_python_task: {python_file: ../shared/y.py}")
    (root / "databricks.yml").write_text(f"bundle: {{name: sample}}\n{task}")
    with pytest.raises(BundleError, match="no such file among those synchronized"):
        resolve(root, identity=Identity("laptop@localhost", "laptop"))


def test_paths_of_a_job_from_a_git_source_are_left_alone(settle: Settle) -> None:
    source = "git_source: {git_url: u}, tasks: [{task_key: t, notebook_task: {notebook_path: a/b}}]"
    job = settle(f"resources: {{jobs: {{j: {{{source}}}}}}}").jobs["j"]
    assert job["tasks"][0]["notebook_task"]["notebook_path"] == "a/b"
