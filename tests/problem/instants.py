"""As of when the lifecycle is tested, by the small policy, and what it finds then."""

EARLIER = "2013-02-25"
FIRST = "2013-03-01"
LATER = "2013-03-11"

# SQL that brings what the sources read into an empty workspace; the flights come with a package.
BROUGHT: tuple[str, ...] = ()
