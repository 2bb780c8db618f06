"""Thin, typed edges to the platform: session, tables, feature store, registry, endpoint."""
