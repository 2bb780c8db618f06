"""Package of the loader module that packaged models name."""
