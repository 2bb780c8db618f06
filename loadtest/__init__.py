"""Load test of the serving endpoint, run by `make loadtest` and `make integration`."""
