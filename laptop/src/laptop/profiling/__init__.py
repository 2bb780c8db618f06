"""Data profiling: the two metric tables of a monitored table, as on Databricks."""
