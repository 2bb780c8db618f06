"""Errors of the update."""


class UpdateError(Exception):
    """The update cannot start, or git fails.

    Attributes:
        what: What happened, what was found and what was expected.
        advice: What to do next.
    """

    def __init__(self, what: str, advice: str) -> None:
        self.what = what
        self.advice = advice
        super().__init__(f"{what}\n{advice}")


class ProgramError(Exception):
    """A program has failed.

    Attributes:
        command: The command line.
        code: Exit code.
        said: Output.
    """

    def __init__(self, command: str, code: int, said: str) -> None:
        self.command = command
        self.code = code
        self.said = said
        super().__init__(f"`{command}` ended with {code}: {said}")
