"""Flight delays."""
