"""Data profiling: the two metric tables of a monitored table, as Databricks writes them."""
