import shutil
from dataclasses import replace

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput
from laptop import connection
from laptop.connection import Connection

from ..conftest import Jobs, Toy, execute, results, write_toy

TRAIN = """
import mlflow, numpy as np
from databricks.sdk.runtime import spark
from mlflow.models import infer_signature
from sklearn.dummy import DummyRegressor
spark.sql("CREATE SCHEMA dev.shop")
spark.sql("CREATE TABLE dev.shop.t (n BIGINT)")
spark.sql("INSERT INTO dev.shop.t VALUES (1), (2)")
rows = np.zeros((2, 1))
mlflow.set_experiment("/Shared/late")
with mlflow.start_run():
    mlflow.log_text("of 2013", "card.md")
    mlflow.sklearn.log_model(
        DummyRegressor(strategy="constant", constant=7.0).fit(rows, rows[:, 0]),
        name="model",
        signature=infer_signature(rows, rows[:, 0]),
        registered_model_name="dev.shop.late",
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
"""
READ = """
import mlflow, numpy as np
from databricks.sdk.runtime import dbutils, spark
spark.sql("INSERT INTO dev.shop.t VALUES (3)")
client = mlflow.MlflowClient()
version = client.get_model_version("dev.shop.late", "1")
mlflow.set_experiment("/Shared/late")
with mlflow.start_run():
    mlflow.log_text("of 2014", "card.md")
model = mlflow.pyfunc.load_model("models:/dev.shop.late/1")
dbutils.jobs.taskValues.set("read", [
    spark.table("dev.shop.t").count(),
    mlflow.artifacts.load_text(f"runs:/{version.run_id}/card.md"),
    mlflow.artifacts.load_text(f"runs:/{mlflow.last_active_run().info.run_id}/card.md"),
    model.predict(np.zeros((1, 1))).tolist(),
])
"""


def serve(there: Connection) -> WorkspaceClient:
    client = WorkspaceClient(host=there.address, token=there.token)
    client.serving_endpoints.create_and_wait(
        "late",
        config=EndpointCoreConfigInput(
            name="late",
            served_entities=[
                ServedEntityInput(
                    entity_name="dev.shop.late",
                    entity_version="1",
                    workload_size="Small",
                    scale_to_zero_enabled=True,
                )
            ],
        ),
    )
    return client


@pytest.mark.nightly
def test_copied_state_folder_works_without_its_original(lonely: Toy, wheel: str) -> None:
    there = lonely.open()
    train = Jobs(there, wheel).run(execute("train", TRAIN))
    assert results(train) == {"train": "SUCCESS"}
    serve(there)
    assert lonely.call("run", "three").status == 0
    connection.stop(lonely.state_dir)
    copy = write_toy(lonely.root.with_name("copy"))
    shutil.copytree(lonely.state_dir.path, copy.state_dir.path)
    shutil.rmtree(lonely.state_dir.path)
    there = copy.open()
    try:
        jobs = Jobs(there, wheel)
        read = jobs.run(execute("read", READ))
        assert results(read) == {"read": "SUCCESS"}
        assert read["tasks"][0]["values"] == {"read": [3, "of 2013", "of 2014", [7.0]]}
        client = WorkspaceClient(host=there.address, token=there.token)
        assert client.serving_endpoints.query("late", instances=[[0.0]]).predictions == [7.0]
        (three,) = client.jobs.list(name="three")
        assert set(results(jobs.finish(jobs.start(three.job_id or 0))).values()) == {"SUCCESS"}
        former = jobs.get(train["run_id"])["tasks"][0]["log"]
        assert former == str(copy.state_dir.path / "runs" / str(train["run_id"]) / "train.log")
        location = client.tables.get("dev.shop.t").storage_location or ""
        assert location.startswith(copy.state_dir.path.as_uri())
    finally:
        connection.stop(copy.state_dir)
    assert str(lonely.state_dir.path) not in (copy.state_dir.path / "workspace.log").read_text()


def test_find_ignores_connection_of_original_folder(toy: Toy, there: Connection) -> None:
    copy = replace(toy.state_dir, path=toy.root / "copy")
    copy.create()
    shutil.copy(toy.state_dir.connection_file, copy.connection_file)
    assert connection.find(toy.state_dir) == there
    assert connection.find(copy) is None
    assert not connection.stop(copy)
