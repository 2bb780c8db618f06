"""Errors of the feature store."""


class FeatureError(ValueError):
    """A request that the feature store refuses.

    A `ValueError`, as in the Databricks client, so that code which catches that one works with
    both.
    """
