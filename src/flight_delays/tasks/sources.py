"""The tables that a model is trained on and judged by: this deployment's own, or another's."""

from typing import TYPE_CHECKING

from ..lakehouse.tables import require_readable
from ..problem import PROBLEM
from .parameters import in_schema

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def require_source(spark: "SparkSession", source: str, model: str) -> None:
    """Refuse to go on where a table that a model learns from is missing or may not be read.

    Args:
        spark: The session.
        source: Schema of the tables, with its catalog.
        model: Full name of this deployment's model.

    Raises:
        LakehouseError: One is missing or may not be read; the message says what to do.
    """
    facts = dict.fromkeys((PROBLEM.spine.source, PROBLEM.label.source))
    for table in (*facts, *(each.name for each in PROBLEM.feature_tables)):
        require_readable(spark, in_schema(source, table), advise(source, model))


def advise(source: str, model: str) -> str:
    """Return what to do where a source cannot be read: fill one's own, look up another's."""
    if source == model.rpartition(".")[0]:
        return "Run the job feature_refresh first, with the same as_of."
    catalog, _, schema = source.partition(".")
    return (
        f"The variables source_catalog and source_schema name {source}, which another deployment "
        "fills: set both, to names that it has. Reading there takes USE CATALOG on "
        f"{catalog}, and USE SCHEMA and SELECT on {schema}: docs/cicd.md, Grants."
    )
