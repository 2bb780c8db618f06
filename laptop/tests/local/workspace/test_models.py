import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, ResourceAlreadyExists, ResourceConflict

from ...conftest import Jobs, execute, results


@pytest.fixture(scope="module", autouse=True)
def schema(client: WorkspaceClient) -> None:
    client.schemas.create("models", "dev")
    client.schemas.create("models", "prod")
    client.schemas.create("versions", "dev")


def test_a_model_is_registered_shown_changed_and_removed(client: WorkspaceClient) -> None:
    made = client.registered_models.create(
        catalog_name="dev", schema_name="models", name="late", comment="Predicts"
    )
    assert made.full_name == "dev.models.late"
    found = client.registered_models.get("dev.models.late")
    assert (found.catalog_name, found.schema_name, found.name) == ("dev", "models", "late")
    assert found.comment == "Predicts"
    client.registered_models.update("dev.models.late", comment="Predicts delays")
    assert client.registered_models.get("dev.models.late").comment == "Predicts delays"
    with pytest.raises((ResourceAlreadyExists, ResourceConflict)):
        client.registered_models.create(catalog_name="dev", schema_name="models", name="late")
    assert list(client.model_versions.list("dev.models.late")) == []
    client.registered_models.delete("dev.models.late")
    with pytest.raises(NotFound, match=r"Model 'dev\.models\.late' does not exist"):
        client.registered_models.get("dev.models.late")


LOG = """
import mlflow, numpy as np
from mlflow.models import infer_signature
from sklearn.dummy import DummyRegressor
rows = np.zeros((2, 1))
with mlflow.start_run(experiment_id="0"):
    for _ in range(2):
        mlflow.sklearn.log_model(
            DummyRegressor().fit(rows, rows[:, 0]),
            name="model",
            signature=infer_signature(rows, rows[:, 0]),
            registered_model_name="dev.versions.late",
            pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
        )
mlflow.MlflowClient().set_registered_model_alias("dev.versions.late", "Champion", "2")
"""


def test_a_version_is_shown_by_number_and_alias_and_removed(
    client: WorkspaceClient, jobs: Jobs
) -> None:
    name = "dev.versions.late"
    assert results(jobs.run(execute("log", LOG))) == {"log": "SUCCESS"}
    assert [client.model_versions.get(name, number).version for number in (1, 2)] == [1, 2]
    assert client.model_versions.get_by_alias(name, "Champion").version == 2
    with pytest.raises(NotFound, match=r"'3' does not exist\. There are: 1, 2\."):
        client.model_versions.get(name, 3)
    client.model_versions.delete(name, 1)
    assert [version.version for version in client.model_versions.list(name)] == [2]
    with pytest.raises(NotFound, match=r"'1' does not exist\. There are: 2\."):
        client.model_versions.delete(name, 1)


def test_models_are_listed_by_catalog_and_schema(client: WorkspaceClient) -> None:
    for catalog in ("dev", "prod"):
        client.registered_models.create(catalog_name=catalog, schema_name="models", name="listed")

    def names(catalog: str | None = None, schema: str | None = None) -> list[str | None]:
        found = client.registered_models.list(catalog_name=catalog, schema_name=schema)
        return [model.full_name for model in found]

    assert set(names()) >= {"dev.models.listed", "prod.models.listed"}
    assert names("dev", "models") == ["dev.models.listed"]
    assert names("prod", "other") == []


def test_a_model_needs_its_schema(client: WorkspaceClient) -> None:
    with pytest.raises(NotFound, match=r"Schema 'dev\.nowhere'"):
        client.registered_models.create(catalog_name="dev", schema_name="nowhere", name="late")


def test_an_alias_that_is_not_there_is_no_default(client: WorkspaceClient) -> None:
    client.registered_models.create(catalog_name="dev", schema_name="models", name="bare")
    with pytest.raises(NotFound, match="Alias 'Champion' does not exist"):
        client.model_versions.get_by_alias("dev.models.bare", "Champion")
    with pytest.raises(NotFound, match="Alias 'Champion' does not exist"):
        client.registered_models.delete_alias("dev.models.bare", "Champion")


def test_an_alias_needs_the_version_that_it_names(client: WorkspaceClient) -> None:
    client.registered_models.create(catalog_name="dev", schema_name="models", name="aliased")
    with pytest.raises(NotFound, match=r"Version of model 'dev\.models\.aliased'"):
        client.registered_models.set_alias("dev.models.aliased", "Champion", 3)
