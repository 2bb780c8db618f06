"""The as_of values of the lifecycle tests, with the small policy."""

EARLIER = "2013-02-25"
FIRST = "2013-03-01"
LATER = "2013-03-11"

# SQL that creates the tables that sources read. Empty, because the flights are in a package.
BROUGHT: tuple[str, ...] = ()
