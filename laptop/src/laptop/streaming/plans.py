"""Plan of a streaming query: its source, and the plan of a micro-batch."""

from collections.abc import Iterator
from typing import Any, cast

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.connect.dataframe import DataFrame as ConnectDataFrame
from pyspark.sql.connect.proto import relations_pb2

from ..engine.plans import Given
from .errors import StreamRefused

# Row-wise operators, which need no state between micro-batches.
_STATELESS = {
    "drop",
    "drop_na",
    "fill_na",
    "filter",
    "hint",
    "map_partitions",
    "project",
    "repartition",
    "repartition_by_expression",
    "replace",
    "subquery_alias",
    "to_df",
    "to_schema",
    "unpivot",
    "with_columns",
    "with_columns_renamed",
}


def find_source(plan: Any) -> Any:
    """Return the streaming source of a plan.

    Raises:
        StreamRefused: There is not exactly one source, or an operator is stateful.
    """
    found = list(_sources(plan))
    if len(found) != 1:
        raise StreamRefused(
            f"A streaming query has one source on the laptop; this plan has {len(found)}. Read it "
            "with spark.readStream.table, and not by a temporary view."
        )
    return found[0]


def _sources(relation: Any) -> Iterator[Any]:
    kind = relation.WhichOneof("rel_type")
    if kind == "read" and relation.read.is_streaming:
        yield relation
        return
    found = [each for below in _below(relation) for each in _sources(below)]
    join = kind == "join" and len(found) == 1
    if found and kind not in _STATELESS and not join:
        raise StreamRefused(
            f"Streaming '{kind}' is not supported on the laptop, which keeps no state between "
            "micro-batches: do it in foreachBatch, on the rows of the batch."
        )
    yield from found


def _below(message: Any) -> Iterator[Any]:
    """Yield the direct child relations."""
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE or field.message_type.GetOptions().map_entry:
            continue
        repeated = field.is_repeated if hasattr(field, "is_repeated") else field.label == 3
        for each in value if repeated else [value]:
            if isinstance(each, relations_pb2.Relation):
                yield each
            else:
                yield from _below(each)


def over(spark: SparkSession, plan: Any, rows: DataFrame) -> DataFrame:
    """Return the plan with the source replaced by rows."""
    placed = relations_pb2.Relation()
    placed.CopyFrom(plan)
    source = find_source(placed)
    number = source.common.plan_id
    source.CopyFrom(cast("Any", rows)._plan.plan(cast("Any", spark).client))
    source.common.plan_id = number
    return cast("DataFrame", ConnectDataFrame(Given(placed), cast("Any", spark)))
