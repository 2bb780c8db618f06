"""Values that the feature engineering client takes and gives."""
