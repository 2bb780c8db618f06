"""Compile the repository's root into templates for `databricks bundle init` and cookiecutter."""
