"""Spark Connect sessions on the workspace's address."""

from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession

# The engine would compress all rows it returns, which on loopback takes ten times what it saves.
UNCOMPRESSED = ("grpc.compression_enabled_algorithms_bitset", 1)


def connect(address: str) -> SparkSession:
    """Return a new session at `sc://…`."""
    channel = DefaultChannelBuilder(address, [UNCOMPRESSED])
    return SparkSession.builder.channelBuilder(channel).create()
