"""Spark Connect sessions on an engine's address."""

from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession

from .sail import SESSION_SETTINGS

# The engine would compress all rows it returns, which on loopback takes ten times what it saves.
_UNCOMPRESSED = ("grpc.compression_enabled_algorithms_bitset", 1)


def connect(address: str) -> SparkSession:
    """Return a new session at `sc://…` with the settings that tasks on serverless rely on."""
    channel = DefaultChannelBuilder(address, [_UNCOMPRESSED])
    session = SparkSession.builder.channelBuilder(channel).create()
    for key, value in SESSION_SETTINGS.items():
        session.conf.set(key, value)
    return session
