"""A load test of the serving endpoint, which `make loadtest` and `make integration` run."""
