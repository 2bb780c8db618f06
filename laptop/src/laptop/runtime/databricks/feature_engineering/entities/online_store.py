"""Online stores and what is published to them."""

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
        """What a store can be doing; on the laptop it is available."""

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
    """A table whose publication has been asked for.

    Attributes:
        pipeline_id: None; Databricks names the pipeline at times.
    """

    online_table_name: str | None
    pipeline_id: str | None
