"""conf/outputs.yml: additional outputs of predictions."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from .loading import Count, Section, load_configuration

# Strict, because it is inserted into a query.
TableName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,2}$")]


class Outputs(Section):
    """conf/outputs.yml.

    Attributes:
        files: Format of the files in the volume; `none` writes no files.
        jdbc: Table of another database to append predictions to, with its schema unless it is the
            user's default; None for no table.
        online: Whether the latest prediction of each key is published to the online store.
        lookback_days: Maximum age of runs whose unsent predictions are still sent.
    """

    files: Literal["none", "parquet", "csv"]
    jdbc: TableName | None = None
    online: bool = False
    lookback_days: Count

    def send_from(self, now: datetime) -> datetime:
        """Return the instant from which predictions are sent."""
        return now - timedelta(days=self.lookback_days)


def load_outputs() -> Outputs:
    """Return conf/outputs.yml."""
    return load_configuration("outputs", Outputs)
