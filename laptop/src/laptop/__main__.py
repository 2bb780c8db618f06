"""`python -m laptop`."""

from .cli import app

app()
