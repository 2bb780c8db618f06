"""What a feature store does: specifications, point-in-time joins, the online store.

What a feature store refuses raises FeatureError.
"""
