"""The instants as of which the lifecycle is tested, by the small policy."""

EARLIER = "2013-01-30"
FIRST = "2013-02-01"
LATER = "2013-02-15"
