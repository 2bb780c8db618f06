"""What keeps a project from being updated."""


class UpdateError(Exception):
    """The update cannot begin, or git cannot carry it out.

    Attributes:
        what: what is the matter, with what was got and what is allowed.
        advice: what to do next.
    """

    def __init__(self, what: str, advice: str) -> None:
        self.what = what
        self.advice = advice
        super().__init__(f"{what}\n{advice}")


class ProgramError(Exception):
    """A program that was started has failed.

    Attributes:
        command: what was run.
        code: how it ended.
        said: what it said.
    """

    def __init__(self, command: str, code: int, said: str) -> None:
        self.command = command
        self.code = code
        self.said = said
        super().__init__(f"`{command}` ended with {code}: {said}")
