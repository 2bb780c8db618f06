"""Unsupported names of databricks-feature-engineering 0.18: imports work, use raises an error."""
# ruff: noqa: SIM905

from collections.abc import Callable
from typing import Any, NoReturn

METHODS = """
    backfill_features build_model_env cancel_backfill cancel_operation compute_features
    create_feature create_feature_serving_endpoint create_feature_spec create_stream
    delete_feature delete_feature_serving_endpoint delete_feature_spec
    delete_materialized_feature delete_stream feature_spec_from_batch_declarative_features
    get_backfill get_feature get_feature_serving_endpoint get_operation get_stream
    grant_feature_serving_access list_features list_materialized_features list_streams
    materialize_features purge_feature_entities register_feature update_feature_spec
    update_stream wait_for_backfill
""".split()
CLASSES = """
    Aggregation AggregationFunction ApproxCountDistinct ApproxPercentile AutoCaptureConfig Avg
    BackfillRange BackfillState BackfillStatus ColumnSelection ComputeFeaturesRange Count
    CronSchedule CustomUDF DataFrameSource DataSource DeltaTableSource EndpointCoreConfig
    Feature FeatureAggregations FeatureServingEndpoint FeatureSpecInfo
    FeatureViewSource First FirstDistinct FirstN Function KafkaSource Last LastDistinct LastN
    MaterializedViewInfo Max Min PercentileApprox RequestSource RollingWindow RowTransformation
    SawtoothWindow ServedEntity SlidingWindow SourceLateness StddevPop StddevSamp StreamSource
    StreamingMode Sum TableTrigger TimeWindow TumblingWindow UpgradeClient VarPop VarSamp
    VolumeSource
""".split()


class Absent(type):
    """Metaclass of unsupported classes: calls and attribute access raise an error."""

    def __call__(cls, *_: Any, **__: Any) -> NoReturn:
        """Raise an error instead of creating an instance."""
        raise not_built(cls.__name__)

    def __getattr__(cls, name: str) -> NoReturn:
        """Raise an error for class methods and members."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise not_built(f"{cls.__name__}.{name}")


def absent_method(name: str) -> Callable[..., NoReturn]:
    """Return a method that raises an error when called.

    Raises:
        AttributeError: Databricks' client has no such method.
    """
    if name not in METHODS:
        raise AttributeError(f"'FeatureEngineeringClient' object has no attribute '{name}'")

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise not_built(f"FeatureEngineeringClient.{name}")

    return refuse


def not_built(what: str) -> NotImplementedError:
    """Return the error for an unsupported feature."""
    return NotImplementedError(
        f"{what} is not supported on the laptop. Its README lists what of feature engineering is."
    )
