import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, ResourceAlreadyExists, ResourceConflict


@pytest.fixture(scope="module", autouse=True)
def schema(client: WorkspaceClient) -> None:
    client.schemas.create("models", "dev")
    client.schemas.create("models", "prod")


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
