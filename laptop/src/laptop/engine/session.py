"""Spark Connect sessions on an engine's address."""

from pyspark.sql.connect.session import SparkSession

from .sail import SESSION_SETTINGS


def connect(address: str) -> SparkSession:
    """Return a new session at `sc://…` with the settings that tasks on serverless rely on."""
    session = SparkSession.builder.remote(address).create()
    for key, value in SESSION_SETTINGS.items():
        session.conf.set(key, value)
    return session
