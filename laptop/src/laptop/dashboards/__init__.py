"""A bundle's dashboards, rendered as HTML pages from the workspace's tables."""
