"""The model registry: versions, their tags, aliases, look-ups and signatures, and scoring."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
import yaml
from databricks.sdk import WorkspaceClient
from mlflow.exceptions import MlflowException

from ..promotion.decide import CHAMPION, Passed
from ..promotion.model_version import ModelVersion
from .errors import LakehouseError, ModelUnreadableError, ModelUriError

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureEngineeringClient
    from pyspark.sql import DataFrame

MODEL_URI = re.compile(r"^models:/([^/@{}\s.]+\.[^/@{}\s.]+\.[^/@{}\s.]+)/([1-9]\d*)$")

# Path of the look-ups inside a model with feature look-ups.
FEATURE_SPEC = "data/feature_store/feature_spec.yaml"
# What decides the values of a feature spec's column; other keys give its type and position.
DECIDING = (
    "table_name", "feature_name", "lookup_key", "timestamp_lookup_key", "lookback_window",
    "default_value", "udf_name", "input_bindings", "literal_arguments", "include",
)  # fmt: skip

# Error codes for a model that does not exist or may not be seen.
HIDDEN = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "PERMISSION_DENIED"}


def parse_model_uri(uri: str) -> tuple[str, int]:
    """Return the model's full name and the version of a URI.

    Raises:
        ModelUriError: The URI is empty, an unresolved reference, an alias, or of any other form.
    """
    match = MODEL_URI.match(uri)
    if match is None:
        raise ModelUriError(uri)
    return match.group(1), int(match.group(2))


def read_aliases(registry: mlflow.MlflowClient, model: str) -> dict[str, int]:
    """Return the version of each alias of a registered model.

    Other errors of the registry are raised: they do not mean that there is no Champion.
    """
    return {a: int(v) for a, v in registry.get_registered_model(model).aliases.items()}


def find_champion(registry: mlflow.MlflowClient, model: str) -> int | None:
    """Return the version of the Champion; None if there is none.

    Raises:
        LakehouseError: The Champion has not passed validation.
    """
    champion = read_aliases(registry, model).get(CHAMPION)
    if champion is not None:
        require_usable(read_version(registry, model, champion))
    return champion


def require_usable(champion: ModelVersion) -> None:
    """Check that the Champion has passed validation: its code runs with the task's permissions.

    Raises:
        LakehouseError: It has not passed.
    """
    if champion.status != Passed.status:
        raise LakehouseError(
            f"Version {champion.version} of {champion.model} is {CHAMPION}, but its validation "
            f"status is {champion.status!r}, expected {Passed.status!r}: it is not loaded. Its tag "
            "validation_reason may say what happened. Run the job rollback to a version that has "
            f"passed; or remove the alias {CHAMPION} and run model_training."
        )


def require_aliases(registry: mlflow.MlflowClient, model: str, remedy: str) -> dict[str, int]:
    """Return the version of each alias of a model that must exist.

    `remedy` says what to do otherwise, as a sentence.

    Raises:
        ModelUnreadableError: It does not exist, or may not be read.
    """
    try:
        return read_aliases(registry, model)
    except MlflowException as error:
        if error.error_code not in HIDDEN:
            raise
        raise ModelUnreadableError(model, error.message.strip().rstrip("."), remedy) from error


def read_look_ups(registry: mlflow.MlflowClient, model: str) -> Mapping[tuple[str, str], str]:
    """Return the features that versions with an alias look up, by table and name."""
    found: dict[tuple[str, str], str] = {}
    for alias, version in read_aliases(registry, model).items():
        spec = mlflow.artifacts.load_text(f"models:/{model}/{version}/{FEATURE_SPEC}")
        found |= dict.fromkeys(list_features(spec), f"version {version}, {alias}")
    return found


def list_features(spec: str) -> list[tuple[str, str]]:
    """Return the looked-up features of a feature spec, by table and name."""
    looked_up = [column for _, column in _list_columns(spec) if "feature_name" in column]
    return [(column["table_name"], column["feature_name"]) for column in looked_up]


def describe_inputs(spec: str) -> dict[str, str]:
    """Return what decides the values of each input and look-up of a feature spec, by name."""
    return {
        name.casefold(): describe_input(column)
        for name, column in _list_columns(spec)
        if column.get("include", True) or column["source"] != "training_data"
    }


def describe_input(column: Mapping[str, Any]) -> str:
    """Return what decides a column's values, as text; case and missing values do not matter."""
    facts = {key: found for key in DECIDING if (found := column.get(key)) or found == 0}
    return json.dumps(facts, sort_keys=True).casefold()


def _list_columns(spec: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = yaml.safe_load(spec)
    tables = {name: each[name] for each in found.get("input_tables") or () for name in each}
    for entry in found["input_columns"]:
        for name, column in entry.items():
            seconds = (tables.get(column.get("table_name")) or {}).get("lookback_window")
            yield name, {**column, "lookback_window": seconds and float(seconds)}


def find_newest(workspace: WorkspaceClient, model: str) -> int | None:
    """Return the newest version of a registered model; None without versions."""
    versions = workspace.model_versions.list(model)
    return max((each.version for each in versions if each.version is not None), default=None)


def read_version(registry: mlflow.MlflowClient, model: str, version: int) -> ModelVersion:
    """Return a version with its tags and aliases."""
    found = registry.get_model_version(model, str(version))
    # Some stores return versions without aliases; the model has all of them.
    aliases = {a for a, v in read_aliases(registry, model).items() if v == version}
    return ModelVersion(
        model=model,
        version=version,
        aliases=frozenset(aliases),
        tags=dict(found.tags),
        description=found.description or "",
        run_id=found.run_id or "",
    )


def tag_version(registry: mlflow.MlflowClient, version: ModelVersion, **tags: str) -> None:
    """Set tags on a version."""
    for key, value in tags.items():
        registry.set_model_version_tag(version.model, str(version.version), key, value)


def set_alias(registry: mlflow.MlflowClient, version: ModelVersion, alias: str) -> None:
    """Set an alias to a version."""
    registry.set_registered_model_alias(version.model, alias, str(version.version))


def remove_alias(registry: mlflow.MlflowClient, version: ModelVersion, alias: str) -> None:
    """Remove an alias if it points to this version."""
    if read_aliases(registry, version.model).get(alias) == version.version:
        registry.delete_registered_model_alias(version.model, alias)


def score(
    feature_store: "FeatureEngineeringClient", model_uri: str, rows: "DataFrame"
) -> pd.DataFrame:
    """Return rows with their point-in-time features and a column `prediction`, in any order."""
    scored: pd.DataFrame = feature_store.score_batch(
        model_uri=model_uri, df=rows, result_type="double"
    ).toPandas()
    return scored


def read_signature(model_uri: str) -> tuple[bool, list[str]]:
    """Return whether a model's signature has inputs, and the types of its outputs."""
    signature = mlflow.models.get_model_info(model_uri).signature
    if signature is None:
        return False, []
    outputs = signature.outputs.to_dict() if signature.outputs else []
    return bool(signature.inputs), [str(output["type"]) for output in outputs]


def read_inputs(model_uri: str) -> list[str]:
    """Return the input columns of a model's signature; empty without a signature."""
    signature = mlflow.models.get_model_info(model_uri).signature
    if signature is None or not signature.inputs:
        return []
    return list(signature.inputs.required_input_names())
