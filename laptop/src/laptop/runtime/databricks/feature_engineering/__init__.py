"""Feature engineering on the laptop, with the API of databricks-feature-engineering."""

from .client import UNSET, FeatureEngineeringClient
from .entities import (
    Aggregation,
    CronSchedule,
    CronScheduleMode,
    FeatureAggregations,
    FeatureFunction,
    FeatureLookup,
    FieldDefinition,
    MaterializedFeaturePipelineScheduleState,
    MtlsConfig,
    ScalarDataType,
    SecretScopeReference,
    StreamingMode,
    TableTrigger,
    UpgradeClient,
)
from .entities.online_store import DatabricksOnlineStore

__all__ = [
    "UNSET",
    "Aggregation",
    "CronSchedule",
    "CronScheduleMode",
    "DatabricksOnlineStore",
    "FeatureAggregations",
    "FeatureEngineeringClient",
    "FeatureFunction",
    "FeatureLookup",
    "FieldDefinition",
    "MaterializedFeaturePipelineScheduleState",
    "MtlsConfig",
    "ScalarDataType",
    "SecretScopeReference",
    "StreamingMode",
    "TableTrigger",
    "UpgradeClient",
]
