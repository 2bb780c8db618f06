"""conf/outputs.yml: where predictions are sent besides their table."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from .loading import Count, Section, load_configuration

# It becomes a part of a query.
TableName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,2}$")]


class JdbcOutput(Section):
    """A table of another database.

    Attributes:
        connection: JDBC connection of Unity Catalog that leads there.
        table: Name of the table there, with its schema where that is not the user's own.
    """

    connection: Annotated[str, Field(min_length=1)]
    table: TableName


class Outputs(Section):
    """The outputs of batch inference as reviewed in conf/outputs.yml.

    Attributes:
        files: Format of the files in the volume; `none` writes no files.
        jdbc: Table of another database that takes the predictions; None for no table.
        online: Whether the latest prediction of each key is published to the online store.
        lookback_days: Age of the oldest runs whose predictions are sent if they were not.
    """

    files: Literal["none", "parquet", "csv"]
    jdbc: JdbcOutput | None = None
    online: bool = False
    lookback_days: Count

    def send_from(self, now: datetime) -> datetime:
        """Return the instant from which on predictions are sent."""
        return now - timedelta(days=self.lookback_days)


def load_outputs() -> Outputs:
    """Return conf/outputs.yml."""
    return load_configuration("outputs", Outputs)
