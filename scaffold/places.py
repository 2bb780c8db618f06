"""Where answers stand in a file, apart from the project's name: texts that hold some."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import ManifestError
from .tokens import Text, Token, Tokens, Value, join_texts

_ANSWER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Place:
    """A text of a file.

    Attributes:
        text: As the root has it.
        tokens: The same with the places of answers.
    """

    text: str
    tokens: Tokens


def read_place(written: str, answers: Mapping[str, str]) -> Place:
    """Reads a place as the manifest writes it, `catalog: "{prod_catalog}"`.

    Args:
        written: The text, with each answer's name in braces.
        answers: What the root itself has answered.

    Raises:
        ManifestError: it names no answer, or one that there is not.
    """
    tokens: list[Token] = []
    for number, piece in enumerate(_ANSWER.split(written)):
        if number % 2 == 0:
            tokens.append(Text(piece))
        elif piece in answers:
            tokens.append(Value(piece))
        else:
            advice = f"The answers are {', '.join(answers)}."
            raise ManifestError(f"the place {written!r} names {piece}", advice)
    if len(tokens) == 1:
        raise ManifestError(f"the place {written!r} names no answer", "Write it in braces.")
    text = _ANSWER.sub(lambda found: answers[found.group(1)], written)
    return Place(text, join_texts(tokens))


def split_places(text: str, places: Sequence[Place]) -> Tokens:
    """Cuts a text at its places; of two that begin at once the longer holds."""
    if not places:
        return (Text(text),)
    found = {place.text: place.tokens for place in places}
    longest = sorted(found, key=len, reverse=True)
    pieces = re.split(f"({'|'.join(map(re.escape, longest))})", text)
    tokens: list[Token] = []
    for number, piece in enumerate(pieces):
        tokens.extend(found[piece] if number % 2 else (Text(piece),))
    return join_texts(tokens)
