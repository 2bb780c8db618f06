"""Whether a model version passes and is promoted: decisions, no effects."""
