"""Verdicts on a model in use, from windows of its signals: decisions alone, without effects."""
