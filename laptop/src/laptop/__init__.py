"""A Databricks workspace on one machine."""
