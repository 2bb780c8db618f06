"""Sources of a task's `dbutils`, `spark` and MLflow servers in each environment."""

import ast
import importlib
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType, SimpleNamespace
from typing import Any

import databricks.sdk
import mlflow
import pytest

from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.errors import RuntimeMissingError

from tests.declared import ROOT

RUNTIME = {"DATABRICKS_RUNTIME_VERSION": "client.5.1"}
SERVERLESS = {"IS_SERVERLESS": "TRUE"}


class TaskValues:
    """Recorded task values."""

    def __init__(self) -> None:
        self.arrived: dict[str, Any] = {}

    def set(self, key: str, value: Any) -> None:
        self.arrived[key] = value


class Runtime:
    """A fake Databricks Runtime, with modules and namespaces added individually."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.values = TaskValues()
        self.dbutils = SimpleNamespace(jobs=SimpleNamespace(taskValues=self.values))
        self.settings: dict[str, str] = {}
        self.session: Any = SimpleNamespace(conf=SimpleNamespace(set=self.settings.__setitem__))

    def add_module(self, name: str, **attributes: Any) -> None:
        module = ModuleType(name)
        module.__dict__.update(attributes)
        self.monkeypatch.setitem(sys.modules, name, module)

    def add_namespace(self, **names: Any) -> None:
        """Add a namespace for `databricks.sdk.runtime`."""
        self.add_initializer(lambda: SimpleNamespace(get_namespace_globals=lambda: names))

    def break_namespace(self) -> None:
        """Make the namespace fail as on Spark Connect: the SDK creates its own `dbutils`."""

        def fail() -> None:
            raise RuntimeError("CONTEXT_UNAVAILABLE_FOR_REMOTE_CLIENT")

        self.add_initializer(fail)

    def add_initializer(self, get_or_create: Any) -> None:
        initializer = SimpleNamespace(getOrCreate=get_or_create)
        self.add_module("dbruntime", UserNamespaceInitializer=initializer)

    def add_ipython(self, **names: Any) -> None:
        self.add_module("IPython", get_ipython=lambda: SimpleNamespace(user_ns=names))

    def add_pyspark_dbutils(self, make: Any) -> None:
        self.add_module("pyspark.dbutils", DBUtils=make)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Return an empty runtime: no namespace, no IPython, no credentials."""
    for name in ("databricks.sdk.runtime", "dbruntime", "pyspark.dbutils"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr(databricks.sdk, "runtime", raising=False)
    monkeypatch.setitem(sys.modules, "IPython", None)
    for name in ("DATABRICKS_RUNTIME_VERSION", "IS_SERVERLESS", "SPARK_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", "/dev/null")
    return Runtime(monkeypatch)


class Unknown(BaseHTTPRequestHandler):
    """A host without known paths."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture
def host(runtime: Runtime) -> Iterator[None]:
    """Start a workspace that responds, so that the SDK can create its own `dbutils`."""
    with HTTPServer(("127.0.0.1", 0), Unknown) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        runtime.monkeypatch.setenv("DATABRICKS_HOST", f"http://127.0.0.1:{server.server_port}")
        runtime.monkeypatch.setenv("DATABRICKS_TOKEN", "token")
        yield
        server.shutdown()
        thread.join()


def assert_task_values_arrive(runtime: Runtime) -> None:
    Lakehouse().set_task_value("model_uri", "models:/a.b.c/1")
    assert runtime.values.arrived == {"model_uri": "models:/a.b.c/1"}


def test_dbutils_of_the_namespace_comes_first(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.add_namespace(dbutils=runtime.dbutils, spark=runtime.session)
    runtime.add_ipython(dbutils=None)
    assert_task_values_arrive(runtime)
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("host")
def test_dbutils_of_ipython_replaces_the_sdks_own(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.break_namespace()
    runtime.add_ipython(dbutils=runtime.dbutils)
    assert_task_values_arrive(runtime)
    sdk = importlib.import_module("databricks.sdk.runtime")
    assert type(sdk.dbutils).__name__ == "RemoteDbUtils"
    out = capsys.readouterr().out
    assert out.startswith("dbutils is that of IPython. databricks.sdk.runtime: its task values")


def test_dbutils_of_ipython_is_found_where_the_sdk_cannot_be_imported(runtime: Runtime) -> None:
    runtime.break_namespace()
    runtime.add_ipython(dbutils=runtime.dbutils)
    with pytest.raises(ValueError, match="cannot configure default credentials"):
        importlib.import_module("databricks.sdk.runtime")
    assert_task_values_arrive(runtime)


@pytest.mark.usefixtures("host")
def test_dbutils_of_pyspark_is_made_for_the_session(runtime: Runtime) -> None:
    given = []

    def make(session: object) -> object:
        given.append(session)
        return runtime.dbutils

    runtime.break_namespace()
    runtime.add_ipython(spark=runtime.session)
    runtime.add_pyspark_dbutils(make)
    assert_task_values_arrive(runtime)
    assert given == [runtime.session]


@pytest.mark.usefixtures("host")
def test_the_sdks_own_dbutils_is_refused_with_a_reason_for_each_place(runtime: Runtime) -> None:
    runtime.break_namespace()
    with pytest.raises(RuntimeMissingError) as caught:
        Lakehouse()
    message = str(caught.value)
    assert "databricks.sdk.runtime: its task values are those of databricks.sdk.dbutils" in message
    assert "; IPython: " in message
    assert "; pyspark.dbutils: No module named 'pyspark.dbutils'. Run it as a task" in message


@pytest.mark.usefixtures("host")
def test_dbutils_of_databricks_connect_is_refused(runtime: Runtime) -> None:
    # Outside a notebook it only has `fs` and `secrets`.
    runtime.break_namespace()
    runtime.add_ipython(spark=runtime.session)
    runtime.add_pyspark_dbutils(lambda _: SimpleNamespace(fs=None, secrets=None))
    with pytest.raises(RuntimeMissingError, match=r"pyspark.dbutils: .* no attribute 'jobs'"):
        Lakehouse()


def test_spark_of_the_namespace_comes_first(runtime: Runtime) -> None:
    runtime.add_namespace(dbutils=runtime.dbutils, spark=runtime.session)
    runtime.add_ipython(spark=object())
    assert Lakehouse().spark is runtime.session
    assert runtime.settings == {"spark.sql.session.timeZone": "UTC"}


@pytest.mark.usefixtures("host")
def test_spark_of_ipython_is_used_where_the_sdk_has_none(runtime: Runtime) -> None:
    runtime.break_namespace()
    runtime.add_ipython(dbutils=runtime.dbutils, spark=runtime.session)
    assert Lakehouse().spark is runtime.session


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("variables", [RUNTIME, SERVERLESS], ids=["cluster", "serverless"])
def test_spark_of_the_builder_is_used_in_a_databricks_runtime(
    runtime: Runtime, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        runtime.monkeypatch.setenv(name, value)
    runtime.monkeypatch.setattr(
        "pyspark.sql.SparkSession",
        SimpleNamespace(
            getActiveSession=lambda: None,
            builder=SimpleNamespace(getOrCreate=lambda: runtime.session),
        ),
    )
    runtime.break_namespace()
    runtime.add_ipython(dbutils=runtime.dbutils)
    keep_mlflow(runtime)
    assert Lakehouse().spark is runtime.session


@pytest.mark.usefixtures("host")
def test_missing_spark_is_refused_with_a_reason_for_each_place(runtime: Runtime) -> None:
    runtime.break_namespace()
    runtime.add_ipython(dbutils=runtime.dbutils)
    with pytest.raises(
        RuntimeMissingError, match=r"needs the spark of .*pyspark.sql: has no spark"
    ):
        assert Lakehouse().spark


def keep_mlflow(runtime: Runtime) -> None:
    """Start with the environment's URIs, and restore MLflow's settings."""
    runtime.monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")
    runtime.monkeypatch.setenv("MLFLOW_REGISTRY_URI", "sqlite:///registry.db")
    for module, name in (("_tracking_service", "tracking"), ("_model_registry", "registry")):
        runtime.monkeypatch.setattr(f"mlflow.tracking.{module}.utils._{name}_uri", None)


@pytest.mark.parametrize("variables", [RUNTIME, SERVERLESS], ids=["cluster", "serverless"])
def test_mlflow_points_to_the_workspace_in_a_databricks_runtime(
    runtime: Runtime, variables: dict[str, str]
) -> None:
    keep_mlflow(runtime)
    for name, value in variables.items():
        runtime.monkeypatch.setenv(name, value)
    runtime.add_namespace(dbutils=runtime.dbutils)
    Lakehouse()
    assert mlflow.get_tracking_uri() == "databricks"
    assert mlflow.get_registry_uri() == "databricks-uc"


def test_mlflow_points_where_the_environment_says_elsewhere(runtime: Runtime) -> None:
    keep_mlflow(runtime)
    runtime.add_namespace(dbutils=runtime.dbutils)
    Lakehouse()
    assert mlflow.get_tracking_uri() == "sqlite:///elsewhere.db"
    assert mlflow.get_registry_uri() == "sqlite:///registry.db"


def test_every_task_makes_its_clients_this_way() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts
    for script in scripts.values():
        module, _, function = script.partition(":")
        tree = ast.parse((ROOT / "src" / f"{module.replace('.', '/')}.py").read_text())
        (main,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function)
        calls = [node.func for node in ast.walk(main) if isinstance(node, ast.Call)]
        assert "Lakehouse" in [call.id for call in calls if isinstance(call, ast.Name)], script
