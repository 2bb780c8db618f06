"""Errors of the lifecycle."""


class UnusableInputError(ValueError):
    """Something was handed in that nothing can be decided from.

    Attributes:
        what: Name of the input.
        got: What was found in it.
        allowed: What it may hold.
        remedy: What to do next.
    """

    def __init__(self, what: str, *, got: str, allowed: str, remedy: str) -> None:
        """Keep the facts and make the message of them."""
        self.what = what
        self.got = got
        self.allowed = allowed
        self.remedy = remedy
        super().__init__(f"{what}: got {got}; allowed: {allowed}. {remedy}")
