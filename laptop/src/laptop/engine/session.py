"""Spark Connect sessions on the workspace's address."""

from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession

# The engine would compress all rows it returns, which on loopback takes ten times what it saves.
UNCOMPRESSED = ("grpc.compression_enabled_algorithms_bitset", 1)


class Session(SparkSession):
    """A session that ends by `stop` alone."""

    # pyspark's waits for threads; called by a garbage collection within a call, it waits for ever.
    def __del__(self) -> None:
        """Leave what was not stopped to the end of the process."""


def connect(address: str) -> SparkSession:
    """Return a new session at `sc://…`."""
    channel = DefaultChannelBuilder(address, [UNCOMPRESSED])
    session = SparkSession.builder.channelBuilder(channel).create()
    session.__class__ = Session
    return session
