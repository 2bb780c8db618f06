"""conf/outputs.yml: where predictions are sent besides their table."""

from datetime import datetime, timedelta
from typing import Literal

from .loading import Count, Section, load_configuration


class Outputs(Section):
    """The outputs of batch inference as reviewed in conf/outputs.yml.

    Attributes:
        files: Format of the files in the volume; `none` writes no files.
        online: Whether the latest prediction of each key is published to the online store.
        lookback_days: Age of the oldest runs whose predictions are sent if they were not.
    """

    files: Literal["none", "parquet", "csv"]
    online: bool = False
    lookback_days: Count

    def send_from(self, now: datetime) -> datetime:
        """Return the instant from which on predictions are sent."""
        return now - timedelta(days=self.lookback_days)


def load_outputs() -> Outputs:
    """Return conf/outputs.yml."""
    return load_configuration("outputs", Outputs)
