"""A script."""

print(1)
