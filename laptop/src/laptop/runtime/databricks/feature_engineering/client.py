"""`FeatureEngineeringClient` with the signatures of databricks-feature-engineering 0.18."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import ModuleType
from typing import Any

import mlflow
from laptop.features import batch, models, tables, training
from laptop.features.errors import FeatureError
from laptop.features.functions import FeatureFunction, describe_functions
from laptop.features.lookup import FeatureLookup
from laptop.features.online import OnlineStore
from laptop.features.tables import FeatureTable
from laptop.features.training import TrainingSet
from laptop.state_dir import require_state_dir
from mlflow.models.model import ModelInfo
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import AlreadyExists, NotFound
from databricks.sdk.service.ml import PublishSpec, PublishSpecPublishMode

from .absent import absent_method, not_built
from .entities.online_store import DatabricksOnlineStore, PublishedTable

_WRITE_TRIGGER = {"processingTime": "5 seconds"}
_PUBLISH_TRIGGER = {"processingTime": "5 minutes"}
_PUBLISH_MODES = ("TRIGGERED", "SNAPSHOT", "CONTINUOUS")
AVAILABLE = DatabricksOnlineStore.State.AVAILABLE
_LONGEST_LEVEL = 63
_AWAIT_UNSET = object()


class _Unset(str):
    """Sentinel that distinguishes omitted arguments from None."""

    def __repr__(self) -> str:
        return "<UNSET>"


UNSET = _Unset()


class FeatureEngineeringClient:
    """Feature tables, training sets, packaged models and online tables of a laptop workspace.

    Args:
        model_registry_uri: None or `databricks-uc`, both for the workspace's registry.
    """

    def __init__(self, *, model_registry_uri: str | None = None) -> None:
        if model_registry_uri not in (None, "databricks-uc"):
            raise not_built(f"FeatureEngineeringClient(model_registry_uri={model_registry_uri!r})")

    def __getattr__(self, name: str) -> Any:
        """Return an unsupported method of Databricks' client, which raises an error when called."""
        return absent_method(name)

    @cached_property
    def _workspace(self) -> WorkspaceClient:
        return WorkspaceClient()

    @property
    def _spark(self) -> SparkSession:
        active = SparkSession.getActiveSession()
        if active is not None:
            return active
        from databricks.sdk import runtime

        session: SparkSession = runtime.spark
        return session

    @cached_property
    def _online(self) -> OnlineStore:
        return OnlineStore(require_state_dir().path)

    def create_table(
        self,
        *,
        name: str,
        primary_keys: str | list[str],
        df: DataFrame | None = None,
        timeseries_column: str | None = None,
        partition_columns: str | list[str] | None = None,
        schema: StructType | None = None,
        description: str | None = None,
        tags: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> FeatureTable:
        """Create a feature table and write `df` to it; return an existing table unchanged."""
        _refuse(kwargs, "create_table")
        if partition_columns:
            raise not_built("create_table(partition_columns=…)")
        if schema is None and df is not None:
            schema = df.schema
        if schema is None:
            raise FeatureError(f"create_table needs a df or a schema for {name}, got neither.")
        if df is not None and df.schema.simpleString() != schema.simpleString():
            raise FeatureError(
                f"create_table for {name} got a schema that is not the df's: "
                f"{schema.simpleString()} and {df.schema.simpleString()}. Give one of them."
            )
        if tables.exists(self._workspace, name):
            return self.get_table(name=name)
        keys = [primary_keys] if isinstance(primary_keys, str) else list(primary_keys)
        tables.create(
            self._spark, self._workspace, name, schema, keys, timeseries_column, description
        )
        for key, value in (tags or {}).items():
            tables.set_tag(self._workspace, name, key, value)
        table = self.get_table(name=name)
        if df is not None:
            tables.merge(table, df)
        return table

    def get_table(self, *, name: str) -> FeatureTable:
        """Return the metadata of a feature table."""
        return tables.describe(self._workspace, name)

    def read_table(self, *, name: str, **kwargs: Any) -> DataFrame:
        """Return a feature table's rows."""
        _refuse(kwargs, "read_table")
        return self._spark.table(self.get_table(name=name).name)

    def write_table(
        self,
        *,
        name: str,
        df: DataFrame,
        mode: str = "merge",
        checkpoint_location: str | None = None,
        trigger: dict[str, Any] = _WRITE_TRIGGER,
    ) -> None:
        """Insert rows with new keys and update the others."""
        if mode != "merge":
            raise FeatureError(
                f"write_table got mode {mode!r} for {name}. Allowed: 'merge'. To overwrite, "
                "DELETE FROM the table first."
            )
        if df.isStreaming or checkpoint_location or trigger != _WRITE_TRIGGER:
            raise not_built("write_table of a streaming DataFrame")
        tables.merge(self.get_table(name=name), df)

    def drop_table(self, *, name: str) -> None:
        """Delete a feature table and its rows."""
        table = self.get_table(name=name)
        self._spark.sql(f"DROP TABLE {tables.quote_table(table.name)}")

    def set_feature_table_tag(self, *, name: str, key: str, value: str) -> None:
        """Set a tag of a feature table."""
        tables.set_tag(self._workspace, name, key, value)

    def delete_feature_table_tag(self, *, name: str, key: str) -> None:
        """Remove a tag of a feature table."""
        tables.delete_tag(self._workspace, name, key)

    def create_training_set(
        self,
        *,
        df: DataFrame,
        feature_lookups: list[FeatureLookup | FeatureFunction] | None = None,
        feature_spec: str | None = None,
        features: list[Any] | None = None,
        label: str | list[str] | None,
        exclude_columns: list[str] | None = None,
        use_spark_native_join: bool = False,  # noqa: ARG002
        use_timeseries_filtering: bool = False,  # noqa: ARG002
        **kwargs: Any,
    ) -> TrainingSet:
        """Return the DataFrame with its looked-up features.

        `use_spark_native_join` and `use_timeseries_filtering` are ignored: on Databricks they
        affect the join method, not the result.
        """
        _refuse(kwargs, "create_training_set")
        if feature_spec is not None:
            raise not_built("create_training_set(feature_spec=…)")
        if features is not None:
            raise not_built("create_training_set(features=…)")
        if feature_lookups is None:
            raise FeatureError("create_training_set needs feature_lookups, got none.")
        labels = [label] if isinstance(label, str) else list(label or [])
        lookups = [each for each in feature_lookups if isinstance(each, FeatureLookup)]
        computed = [each for each in feature_lookups if isinstance(each, FeatureFunction)]
        if len(lookups) + len(computed) < len(feature_lookups):
            kinds = sorted({type(each).__name__ for each in feature_lookups})
            raise FeatureError(
                f"feature_lookups has {', '.join(kinds)}. Allowed: FeatureLookup, FeatureFunction."
            )
        if len(computed) > training.MOST_FUNCTIONS:
            raise FeatureError(
                f"feature_lookups has {len(computed)} FeatureFunctions. Allowed: at most "
                f"{training.MOST_FUNCTIONS}."
            )
        functions = describe_functions(self._workspace, {each.udf_name for each in computed})
        named = {
            name: self.get_table(name=name) for name in {lookup.table_name for lookup in lookups}
        }
        # Names are case-insensitive; the specification uses lower case.
        for lookup in lookups:
            lookup.table_name = named[lookup.table_name].name
        known = {table.name: table for table in named.values()}
        types = dict(df.dtypes)
        spec = training.build_spec(
            types, lookups, known, labels, exclude_columns or [], computed, functions
        )
        return TrainingSet(spec, {name: types[name] for name in labels}, df, known, functions)

    def log_model(
        self,
        *,
        model: Any,
        artifact_path: str,
        flavor: ModuleType,
        training_set: TrainingSet | None = None,
        registered_model_name: str | None = None,
        await_registration_for: Any = _AWAIT_UNSET,
        infer_input_example: bool = False,
        extra_pip_requirements: list[str] | None = None,
        **kwargs: Any,
    ) -> ModelInfo:
        """Log a model with its feature specification; `output_schema` describes predictions."""
        if training_set is None:
            raise FeatureError("log_model needs the training_set the model was trained on.")
        if "feature_spec_path" in kwargs or "params" in kwargs:
            raise not_built("log_model(feature_spec_path=… or params=…)")
        if extra_pip_requirements is not None:
            kwargs["extra_pip_requirements"] = extra_pip_requirements
        outputs = kwargs.pop("output_schema", None)
        info = models.log_model(
            model,
            artifact_path,
            flavor,
            training_set.feature_spec,
            outputs=outputs or models.label_schema(training_set.label_types),
            example=training_set.first_row() if infer_input_example else None,
            **kwargs,
        )
        if registered_model_name is not None:
            waiting = {}
            if await_registration_for is not _AWAIT_UNSET:
                waiting["await_registration_for"] = await_registration_for
            mlflow.register_model(info.model_uri, registered_model_name, **waiting)
        return info

    def score_batch(
        self,
        *,
        model_uri: str,
        df: DataFrame,
        result_type: str = "double",
        env_manager: str = "local",
        params: dict[str, Any] | None = None,
        use_spark_native_join: bool = False,  # noqa: ARG002
        **kwargs: Any,
    ) -> DataFrame:
        """Return the DataFrame with its missing features and a column `prediction`."""
        _refuse(kwargs, "score_batch")
        if env_manager != "local":
            raise not_built(f"score_batch(env_manager={env_manager!r})")
        return batch.score_batch(df, model_uri, self._workspace, result_type, params)

    def create_online_store(
        self,
        *,
        name: str,
        capacity: str,
        read_replica_count: int | None = None,
        usage_policy_id: str | None = None,
    ) -> DatabricksOnlineStore:
        """Create an online store."""
        if not self._online.create(name, capacity):
            raise AlreadyExists(f"Online store with name '{name}' already exists")
        return DatabricksOnlineStore(
            name, capacity, read_replica_count, usage_policy_id, state=AVAILABLE
        )

    def get_online_store(self, *, name: str) -> DatabricksOnlineStore | None:
        """Return an online store; on the laptop any name can be published to."""
        return self._created_stores().get(
            name, DatabricksOnlineStore(name, "CU_1", state=AVAILABLE)
        )

    def list_online_stores(self) -> list[DatabricksOnlineStore]:
        """Return the online stores that were created."""
        return list(self._created_stores().values())

    def _created_stores(self) -> dict[str, DatabricksOnlineStore]:
        return {
            name: DatabricksOnlineStore(name, capacity, creation_time=created, state=AVAILABLE)
            for name, capacity, created in self._online.stores()
        }

    def update_online_store(
        self,
        *,
        name: str,
        capacity: str | _Unset = UNSET,
        read_replica_count: int | _Unset = UNSET,
        usage_policy_id: str | _Unset = UNSET,
    ) -> DatabricksOnlineStore:
        """Change an online store's capacity; other settings are not supported on the laptop."""
        if read_replica_count is not UNSET or usage_policy_id is not UNSET:
            raise not_built("update_online_store(read_replica_count=… or usage_policy_id=…)")
        if not self._online.resize(name, capacity or None):
            raise NotFound(f"Online store with name '{name}' not found")
        return self._created_stores()[name]

    def delete_online_store(self, *, name: str) -> None:
        """Delete an online store; its published tables are kept."""
        if not self._online.delete(name):
            raise NotFound(f"Online store with name '{name}' not found")

    def drop_online_table(self, name: str, online_store: DatabricksOnlineStore) -> None:
        """Raise an error, as Databricks does for its own online stores."""
        raise FeatureError(
            f"drop_online_table does not drop {name} from {online_store.name}, a store of "
            "Databricks' own. Delete it with WorkspaceClient().feature_store.delete_online_table."
        )

    def publish_table(
        self,
        *,
        online_store: DatabricksOnlineStore,
        source_table_name: str | None = None,
        online_table_name: str | None = None,
        publish_mode: str = "TRIGGERED",
        filter_condition: str | None = None,
        mode: str = "merge",
        streaming: bool = False,
        checkpoint_location: str | None = None,
        trigger: Mapping[str, Any] = _PUBLISH_TRIGGER,
        features: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> PublishedTable:
        """Request the publication of the latest row per key of a feature table.

        Returns before the sync has run; see its status in
        `WorkspaceClient().database.get_synced_database_table`. TRIGGERED and SNAPSHOT have the same
        result: changes are found by comparison, and rows deleted from the table are removed. With
        CONTINUOUS the workspace syncs after every change of the table.
        """
        _refuse(kwargs, "publish_table")
        unsupported = {
            "filter_condition": filter_condition is not None,
            "mode": mode != "merge",
            "streaming": streaming,
            "checkpoint_location": checkpoint_location is not None,
            "trigger": trigger != _PUBLISH_TRIGGER,
            "features": features is not None,
        }
        if given := [name for name, unusual in unsupported.items() if unusual]:
            raise FeatureError(f"publish_table takes no {given} for a Databricks online store.")
        if publish_mode not in _PUBLISH_MODES:
            raise FeatureError(
                f"publish_table got publish_mode {publish_mode!r}. Allowed: "
                f"{', '.join(_PUBLISH_MODES)}."
            )
        if source_table_name is None or online_table_name is None:
            raise FeatureError("publish_table needs source_table_name and online_table_name.")
        tables.check_name(online_table_name)
        if any(len(level.encode()) > _LONGEST_LEVEL for level in online_table_name.split(".")):
            raise FeatureError(
                f"A level of the online table name {online_table_name} is longer than "
                f"{_LONGEST_LEVEL} bytes. Shorten it."
            )
        table = self.get_table(name=source_table_name)
        answer = self._workspace.feature_store.publish_table(
            table.name,
            PublishSpec(online_store.name, online_table_name, PublishSpecPublishMode(publish_mode)),
        )
        return PublishedTable(answer.online_table_name, answer.pipeline_id)


def _refuse(kwargs: Mapping[str, Any], method: str) -> None:
    if kwargs:
        raise TypeError(f"{method}() got unexpected keyword arguments: {sorted(kwargs)}")
