"""Online stores and published tables."""

from dataclasses import dataclass
from enum import Enum


@dataclass
class DatabricksOnlineStore:
    """An online store.

    Attributes:
        capacity: `CU_1`, `CU_2`, `CU_4` or `CU_8`.
        creation_time: ISO 8601, UTC.
    """

    class State(Enum):
        """State of a store; always AVAILABLE on the laptop."""

        STATE_UNSPECIFIED = "STATE_UNSPECIFIED"
        STARTING = "STARTING"
        AVAILABLE = "AVAILABLE"
        DELETING = "DELETING"
        STOPPED = "STOPPED"
        UPDATING = "UPDATING"
        FAILING_OVER = "FAILING_OVER"

    name: str
    capacity: str
    read_replica_count: int | None = 0
    usage_policy_id: str | None = None
    creator: str | None = None
    creation_time: str | None = None
    state: State | None = None


@dataclass(frozen=True)
class PublishedTable:
    """A table with a requested publication.

    Attributes:
        pipeline_id: None; Databricks sometimes returns the pipeline's id.
    """

    online_table_name: str | None
    pipeline_id: str | None
