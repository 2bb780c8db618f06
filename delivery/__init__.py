"""Steps of CI that the CLI lacks: deploy only the reviewed plan, and retrain if needed."""
