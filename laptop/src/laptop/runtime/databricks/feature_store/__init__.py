"""What models logged by the feature engineering client name as their loader."""
