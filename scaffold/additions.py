"""Lines that a file has more with some choices."""

from .errors import SourceError
from .manifest import Addition
from .tokens import If, Text, Token, Tokens, replace_texts


def add_lines(tokens: Tokens, addition: Addition) -> Tokens:
    """Puts a line behind each line that begins as the addition says, at the same indentation.

    Args:
        tokens: what a file holds, cut nowhere but between lines.
        addition: the line, and what it goes with.

    Raises:
        SourceError: no line begins so.
    """

    def split(text: str) -> Tokens:
        result: list[Token] = []
        for line in text.splitlines(keepends=True):
            result.append(Text(line))
            if line.lstrip().startswith(addition.after):
                indent = line[: len(line) - len(line.lstrip())]
                added = Text(f"{indent}{addition.line}\n")
                result.append(If(addition.option, addition.choices, (added,)))
        return tuple(result)

    found = replace_texts(tokens, split)
    if found == tokens:
        what = f"no line that begins with {addition.after!r}"
        raise SourceError(
            addition.file, 0, what, "Correct [[additions]] of scaffold/manifest.toml."
        )
    return found
