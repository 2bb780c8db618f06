"""Figures of models and predictions: numbers, no effects."""
