"""Dashboards of a bundle, drawn as one page over the workspace's tables."""
