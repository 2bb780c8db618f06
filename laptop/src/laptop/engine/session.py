"""Spark Connect sessions on the workspace's address."""

from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession

# Compressing results costs ten times what it saves on loopback.
UNCOMPRESSED = ("grpc.compression_enabled_algorithms_bitset", 1)


class Session(SparkSession):
    """A session that only `stop` ends."""

    # pyspark's __del__ waits for threads, which deadlocks if garbage collection runs in a call.
    def __del__(self) -> None:
        """Do nothing."""


def connect(address: str) -> SparkSession:
    """Return a new session at `sc://…`."""
    channel = DefaultChannelBuilder(address, [UNCOMPRESSED])
    session = SparkSession.builder.channelBuilder(channel).create()
    session.__class__ = Session
    return session
