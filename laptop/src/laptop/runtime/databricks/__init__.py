"""The part of the namespace that a Databricks Runtime adds; databricks-sdk brings the rest."""

__path__ = __import__("pkgutil").extend_path(__path__, __name__)
