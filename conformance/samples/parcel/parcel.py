"""The content of a wheel."""
