"""Argument and result types of the feature engineering client.

Look-ups and feature tables are implemented by the laptop. Types for declared features and streams
are re-exported from the SDK if Databricks' package does so, else unsupported.
"""

# ruff: noqa: SIM905

import sys
from typing import Any

from laptop.features.functions import FeatureFunction as FeatureFunction
from laptop.features.lookup import FeatureLookup as FeatureLookup
from laptop.features.tables import FeatureTable as FeatureTable

from databricks.sdk.service import ml

from ..absent import CLASSES, Absent

_ABSENT = {name: Absent(name, (), {}) for name in CLASSES}

_OF_THE_SDK = """
    AvgFunction CountFunction CronScheduleMode DirectMtlsConfig DirectSchemas FieldDefinition
    FirstFunction IngestionConfig IngestionDestination KafkaStreamConfig KafkaSubscriptionMode
    KinesisStreamConfig LastFunction MaterializedFeaturePipelineScheduleState MaxFunction
    MinFunction MtlsConfig OfflineStoreConfig OnlineStoreConfig ProtoSchemaSpec ScalarDataType
    SchemaConfig SchemaLocator SchemaLocatorConfluentSchema SchemaLocatorFormat
    SchemaRegistryConfig SecretScopeReference StddevPopFunction StddevSampFunction Stream
    StreamArnList StreamConnectionConfig StreamNameList StreamSchemaConfig StreamSourceConfig
    SumFunction VarPopFunction VarSampFunction
""".split()

# This module replaces all modules of Databricks' package with these names.
for _name in """
    aggregation aggregation_function backfill_range backfill_status compute_features_range
    cron_schedule feature_aggregations feature_function feature_lookup feature_serving_endpoint
    feature_spec_info feature_table materialized_view_info streaming_mode table_trigger
    transformation
""".split():
    sys.modules[f"{__name__}.{_name}"] = sys.modules[__name__]


def __getattr__(name: str) -> Any:
    if name in _ABSENT:
        return _ABSENT[name]
    if name in _OF_THE_SDK:
        return getattr(ml, name)
    if name == "StreamBackfillSource":
        return ml.BackfillSource
    raise AttributeError(f"module {__name__} has no attribute {name!r}")
