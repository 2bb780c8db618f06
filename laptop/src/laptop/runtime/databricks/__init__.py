"""The part of the namespace that a Databricks Runtime adds to databricks-sdk."""

__path__ = __import__("pkgutil").extend_path(__path__, __name__)
