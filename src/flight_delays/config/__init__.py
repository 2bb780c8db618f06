"""Schemas of the files under conf/, one module each; unknown keys are errors."""
