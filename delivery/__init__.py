"""What CI does beyond the CLI: deploy what was planned and nothing else, retrain if needed."""
