"""What the jobs install: nothing that would end a serverless session, and all they read."""

import os
import subprocess
import tomllib
import zipfile
from pathlib import Path

from conformance.tests.projects import ROOT

# Serverless compute brings its own Spark; another one ends the session.
FORBIDDEN = {"pyspark", "pyspark-client", "pyspark-connect", "databricks-connect", "pysail",
             "delta-spark", "laptop"}  # fmt: skip


def test_nothing_that_the_wheel_requires_brings_another_spark() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    packages = {package["name"]: package for package in lock["package"]}
    pending, closure = ["flight-delays"], set()
    while pending:
        name = pending.pop()
        if name in closure:
            continue
        closure.add(name)
        package = packages[name]
        extras = package.get("optional-dependencies", {})
        pending += [d["name"] for d in package.get("dependencies", [])]
        pending += [d["name"] for group in extras.values() for d in group]
    assert {"mlflow", "databricks-sdk", "pandas"} <= closure
    assert not closure & FORBIDDEN


def test_wheel_holds_the_project_with_its_configuration_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [os.environ.get("UV", "uv"), "build", "--wheel", "--out-dir", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    package = "flight_delays"
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {package}
    assert {f"{package}/conf/{name}.yml" for name in ("policy", "model", "serving")} <= set(names)
