# mypy: disable-error-code="no-untyped-call"
# MLflow's own stores are not annotated.

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

with warnings.catch_warnings():
    # MLflow warns while it is imported, which the test run would take for an error.
    warnings.simplefilter("ignore")
    import mlflow
    from laptop.mlflow_stores import RegistryStore, TrackingStore
    from laptop.workspace.state import State
    from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model
    from mlflow.models.signature import ModelSignature
    from mlflow.types import ColSpec, Schema

INPUTS = Schema([ColSpec("double", "x")])
OUTPUTS = Schema([ColSpec("double")])
NAME = "dev.shop.late"


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state_dir")


@pytest.fixture(scope="module")
def store(state_dir: Path) -> Iterator[RegistryStore]:
    TrackingStore(f"laptop://{state_dir}")
    store = RegistryStore(f"laptop://{state_dir}")
    store.create_registered_model(NAME)
    yield store
    store.engine.dispose()


def model(folder: Path, signature: ModelSignature | None) -> str:
    """Write the least that is a logged model, and return where."""
    Model(signature=signature, flavors={"python_function": {}}).save(str(folder / "MLmodel"))
    return str(folder)


@pytest.fixture
def source(tmp_path: Path) -> str:
    return model(tmp_path, ModelSignature(inputs=INPUTS, outputs=OUTPUTS))


@pytest.mark.parametrize(
    "name", ["late", "shop.late", "dev.shop.late.x", "dev..late", ".shop.late"]
)
def test_a_name_of_other_than_three_levels_is_refused(store: RegistryStore, name: str) -> None:
    with pytest.raises(
        MlflowException, match=r"three levels, catalog\.schema\.model; got"
    ) as caught:
        store.create_registered_model(name)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        (None, "has none"),
        (ModelSignature(inputs=INPUTS), "has one without both"),
        (ModelSignature(outputs=OUTPUTS), "has one without both"),
    ],
)
def test_a_version_without_a_whole_signature_is_refused(
    store: RegistryStore, tmp_path: Path, signature: ModelSignature | None, words: str
) -> None:
    with pytest.raises(MlflowException, match=words):
        store.create_model_version(NAME, model(tmp_path, signature))
    assert not store.search_model_versions(f"name = '{NAME}'")


def test_a_version_with_a_signature_is_taken(store: RegistryStore, source: str) -> None:
    store.create_registered_model("dev.shop.taken")
    assert int(store.create_model_version("dev.shop.taken", source).version) == 1


def test_a_model_in_a_schema_that_is_not_there_is_refused(tmp_path: Path, source: str) -> None:
    state = State(tmp_path)
    state.put("schema", "dev.shop", {})
    TrackingStore(f"laptop://{tmp_path}")
    store = RegistryStore(f"laptop://{tmp_path}")
    with pytest.raises(MlflowException, match=r"Schema 'dev\.none' does not exist") as caught:
        store.create_registered_model("dev.none.late")
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    store.create_registered_model("DEV.Shop.Late")
    assert store.get_registered_model("dev.shop.LATE").name == "dev.shop.late"
    store.create_model_version("dev.shop.late", source)
    assert len(store.search_model_versions("name = 'Dev.shop.late'")) == 1
    store.engine.dispose()
    state.close()


def test_models_are_neither_filtered_nor_ordered(store: RegistryStore) -> None:
    with pytest.raises(MlflowException, match="Argument 'order_by' is unsupported for models in"):
        store.search_model_versions(f"name = '{NAME}'", order_by=["version_number DESC"])
    with pytest.raises(MlflowException, match="Argument 'filter_string' is unsupported for models"):
        store.search_registered_models(f"name = '{NAME}'")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("churn", "must be an absolute path"),
        ("/Users/laptop@localhost/none/churn", "Parent directory .*none does not exist"),
    ],
)
def test_an_experiment_stands_at_a_path_in_a_folder_that_is_there(
    state_dir: Path, store: RegistryStore, name: str, words: str
) -> None:
    assert store
    with pytest.raises(MlflowException, match=words):
        mlflow.MlflowClient(f"laptop://{state_dir}").create_experiment(name)


@pytest.mark.parametrize("uri", ["databricks", "databricks://PROFILE", "databricks-uc"])
def test_the_uris_of_databricks_lead_to_the_stores_of_the_workspace(
    state_dir: Path, store: RegistryStore, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    assert store
    monkeypatch.setenv("LAPTOP_HOME", str(state_dir))
    client = mlflow.MlflowClient(uri.replace("-uc", ""), uri)
    assert NAME in [each.name for each in client.search_registered_models()]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert mlflow.get_tracking_uri() == f"laptop://{state_dir}"


def test_stages_are_refused(store: RegistryStore) -> None:
    with pytest.raises(MlflowException, match="no stages: set an alias"):
        store.transition_model_version_stage(NAME, "1", "Production", False)
    with pytest.raises(MlflowException, match="no stages: read an alias"):
        store.get_latest_versions(NAME)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("", "x", "Tag key ''"),
        *((f"a{sign}b", "x", "Tag key 'a") for sign in (".", ",", "-", "=", "/", ":", " ", "\n")),
        ("k" * 257, "x", "too long"),
        ("k", "v" * 1001, "has 1001 characters; 1000 fit"),
    ],
)
def test_a_tag_beyond_unity_catalogs_limits_is_refused(
    store: RegistryStore, source: str, key: str, value: str, words: str
) -> None:
    name = "dev.shop.tagged"
    if name not in [each.name for each in store.search_registered_models()]:
        store.create_registered_model(name)
        store.create_model_version(name, source)
    for refused in (
        lambda: store.set_registered_model_tag(name, RegisteredModelTag(key, value)),
        lambda: store.set_model_version_tag(name, "1", ModelVersionTag(key, value)),
        lambda: store.create_model_version(name, source, tags=[ModelVersionTag(key, value)]),
        lambda: store.create_registered_model(f"{name}2", tags=[RegisteredModelTag(key, value)]),
    ):
        with pytest.raises(MlflowException, match=words):
            refused()
    assert store.get_registered_model(name).tags == {}
    assert len(store.search_model_versions(f"name = '{name}'")) == 1


def test_fifty_tags_fit_and_the_fifty_first_is_refused(store: RegistryStore) -> None:
    name = "dev.shop.crowded"
    fifty = [RegisteredModelTag(f"k{number}", "v" * 1000) for number in range(50)]
    with pytest.raises(MlflowException, match=r"takes 50 tags; 'one' would be one more"):
        store.create_registered_model(name, tags=[*fifty, RegisteredModelTag("one", "more")])
    store.create_registered_model(name, tags=fifty)
    with pytest.raises(MlflowException, match=r"takes 50 tags; 'one' would be one more"):
        store.set_registered_model_tag(name, RegisteredModelTag("one", "more"))
    store.set_registered_model_tag(name, RegisteredModelTag("k7", "replaced"))
    assert store.get_registered_model(name).tags["k7"] == "replaced"


@pytest.mark.usefixtures("store")
def test_mlflow_finds_the_stores_by_their_scheme(state_dir: Path) -> None:
    client = mlflow.MlflowClient(f"laptop://{state_dir}", f"laptop://{state_dir}")
    assert NAME in [each.name for each in client.search_registered_models()]
    experiment = client.get_experiment(client.create_experiment("/Shared/late"))
    assert experiment.artifact_location.startswith("laptop-artifacts:/")
