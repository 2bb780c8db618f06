"""Task: bring the online store up to the feature tables."""

from functools import partial

from ..lakehouse.context import Lakehouse
from ..lakehouse.online import publish_features
from ..lakehouse.tables import require_table
from ..problem import PROBLEM
from .parameters import Parameters, SchemaName, in_schema


class PublishParameters(Parameters):
    """What the task is told.

    Attributes:
        target: Schema of the feature tables, with its catalog.
        online_store: Store that serves features by key.
    """

    target: SchemaName
    online_store: str


def run(parameters: PublishParameters, lakehouse: Lakehouse) -> None:
    """Publish every feature table: the latest row a key, as serving looks it up."""
    qualify = partial(in_schema, parameters.target)
    for table in PROBLEM.feature_tables:
        name = qualify(table.name)
        require_table(lakehouse.spark, name, "Run the task features first.")
        online = publish_features(lakehouse.feature_store, parameters.online_store, name)
        print(f"{table.name} → {online}")
    lakehouse.set_task_value("tables_published", len(PROBLEM.feature_tables))


def main() -> None:
    """Run the task from its command line."""
    run(PublishParameters.parse(), Lakehouse())
