"""As of when the lifecycle is tested, by the small policy, and what it finds then."""

EARLIER = "2013-01-30"
FIRST = "2013-02-05"
LATER = "2013-02-15"

# SQL that brings what the sources read into an empty workspace; the flights come with a package.
BROUGHT: tuple[str, ...] = ()
