"""The feature store: specifications, point-in-time joins and the online store.

Requests that it refuses raise FeatureError.
"""
