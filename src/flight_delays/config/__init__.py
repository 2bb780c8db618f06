"""The reviewed files under conf/, one module each: frozen, unknown keys refused."""
