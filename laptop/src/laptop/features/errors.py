"""Errors of the feature store."""


class FeatureError(ValueError):
    """A request the feature store refuses.

    A `ValueError`, as in the client it stands in for, so that code which catches that one
    behaves alike in both places.
    """
