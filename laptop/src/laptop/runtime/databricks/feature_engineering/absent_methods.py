"""Methods of the client, as of databricks-feature-engineering 0.18, that the laptop refuses."""
# ruff: noqa: D102

from typing import Any

from .refusal import refuse_methods


@refuse_methods
class AbsentMethods:
    """Feature specifications and their endpoints, declarative features, streams."""

    def backfill_features(
        self,
        *,
        features: Any = None,
        backfill_ranges: Any,
        request_id: Any = None,
        tags: Any = None,
        budget_policy_id: Any = None,
        wait: Any = False,
        **kwargs: Any,
    ) -> Any: ...
    def build_model_env(self, model_uri: Any, save_path: Any) -> Any: ...
    def cancel_backfill(self, *, backfill: Any) -> Any: ...
    def cancel_operation(self, *, name: Any) -> Any: ...
    def compute_features(self, *, features: Any) -> Any: ...
    def create_feature(
        self,
        *,
        source: Any,
        function: Any,
        catalog_name: Any,
        schema_name: Any,
        entity: Any = None,
        timeseries_column: Any = None,
        name: Any = None,
        description: Any = None,
    ) -> Any: ...
    def create_feature_serving_endpoint(
        self, *, name: Any = None, config: Any = None, **kwargs: Any
    ) -> Any: ...
    def create_feature_spec(
        self,
        *,
        name: Any,
        features: Any,
        exclude_columns: Any = None,
        extra_pip_requirements: Any = None,
    ) -> Any: ...
    def create_stream(
        self,
        *,
        name: Any,
        source_config: Any,
        connection_config: Any,
        schema_config: Any,
        ingestion_config: Any,
        record_type_filter: Any = None,
        excluded_columns: Any = None,
        description: Any = None,
    ) -> Any: ...
    def delete_feature(self, *, full_name: Any) -> Any: ...
    def delete_feature_serving_endpoint(self, *, name: Any = None, **kwargs: Any) -> Any: ...
    def delete_feature_spec(self, *, name: Any) -> Any: ...
    def delete_materialized_feature(self, *, materialized_feature: Any) -> Any: ...
    def delete_stream(self, *, name: Any) -> Any: ...
    def feature_spec_from_batch_declarative_features(
        self, *, name: Any, features: Any, exclude_columns: Any = None
    ) -> Any: ...
    def get_backfill(self, *, operation_name: Any) -> Any: ...
    def get_feature(self, *, full_name: Any) -> Any: ...
    def get_feature_serving_endpoint(self, *, name: Any = None, **kwargs: Any) -> Any: ...
    def get_operation(self, *, name: Any) -> Any: ...
    def get_stream(self, *, name: Any) -> Any: ...
    def grant_feature_serving_access(
        self,
        *,
        grant_to: Any,
        model_uri: Any = None,
        feature_spec: Any = None,
        dry_run: Any = False,
    ) -> Any: ...
    def list_features(
        self, *, catalog_name: Any, schema_name: Any, max_results: Any = 100
    ) -> Any: ...
    def list_materialized_features(self, *, feature_name: Any, max_results: Any = 100) -> Any: ...
    def list_streams(
        self,
        *,
        catalog_name: Any,
        schema_name: Any,
        max_results: Any = 50,
        include_schemas: Any = False,
    ) -> Any: ...
    def materialize_features(
        self,
        *,
        features: Any,
        offline_config: Any = None,
        online_config: Any = None,
        trigger: Any = None,
        tags: Any = None,
        budget_policy_id: Any = None,
    ) -> Any: ...
    def purge_feature_entities(
        self,
        features: Any,
        entities_table: Any,
        request_id: Any = None,
        tags: Any = None,
        budget_policy_id: Any = None,
    ) -> Any: ...
    def register_feature(
        self, *, feature: Any, catalog_name: Any = None, schema_name: Any = None
    ) -> Any: ...
    def update_feature_spec(self, *, name: Any, owner: Any) -> Any: ...
    def update_stream(
        self, *, name: Any, schema_config: Any = None, excluded_columns: Any = None
    ) -> Any: ...
    def wait_for_backfill(self, *, backfill: Any, timeout: Any = None) -> Any: ...
