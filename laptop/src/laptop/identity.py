"""The workspace's one user, whose short name becomes the prefix of dev resources."""

USER_NAME = "laptop@localhost"
SHORT_NAME = "laptop"
