"""Texts of a file that contain answers other than the project's name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import ManifestError
from .manifest import ChosenText
from .tokens import Form, If, Text, Token, Tokens, Value, join_texts

_ANSWER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Substitution:
    """A text of a file that contains answers.

    Attributes:
        text: The text in the root.
        tokens: The same text with values in place of answers.
    """

    text: str
    tokens: Tokens


def read_substitution(
    written: str,
    answers: Mapping[str, str],
    values: Mapping[str, ChosenText],
    forms: Mapping[str, Form],
) -> Substitution:
    """Parse a substitution such as `catalog: "{prod_catalog}"` of the manifest.

    Args:
        written: Text with the names of answers or values in braces.
        answers: The root's own answers.
        values: Texts that depend on an option.
        forms: Spelling of answers; by default as given.

    Raises:
        ManifestError: It names no answer, or an unknown one.
    """
    tokens: list[Token] = []
    shown = dict(answers)
    for number, piece in enumerate(_ANSWER.split(written)):
        if number % 2 == 0:
            tokens.append(Text(piece))
        elif value := values.get(piece):
            tokens.extend(_choose(value))
            shown[piece] = value.texts[answers[value.option]]
        elif piece in answers:
            tokens.append(Value(piece, forms.get(piece, Form.SNAKE)))
        else:
            advice = f"There are {', '.join((*answers, *values))}."
            raise ManifestError(f"the substitution {written!r} names {piece}", advice)
    if len(tokens) == 1:
        raise ManifestError(f"the substitution {written!r} names no answer", "Write it in braces.")
    text = _ANSWER.sub(lambda found: shown[found.group(1)], written)
    return Substitution(text, join_texts(tokens))


def _choose(value: ChosenText) -> Tokens:
    """Return nested conditions: the `otherwise` of each contains the next."""
    choices: dict[str, list[str]] = {}
    for choice, text in value.texts.items():
        choices.setdefault(text, []).append(choice)
    last, *others = reversed(choices)
    tokens = join_texts((Text(last),))
    for text in others:
        tokens = (If(value.option, tuple(choices[text]), join_texts((Text(text),)), tokens),)
    return tokens


def split_substitutions(text: str, substitutions: Sequence[Substitution]) -> Tokens:
    """Split a text at its substitutions; of two at the same position the longer is used."""
    if not substitutions:
        return (Text(text),)
    found = {substitution.text: substitution.tokens for substitution in substitutions}
    longest = sorted(found, key=len, reverse=True)
    pieces = re.split(f"({'|'.join(map(re.escape, longest))})", text)
    tokens: list[Token] = []
    for number, piece in enumerate(pieces):
        tokens.extend(found[piece] if number % 2 else (Text(piece),))
    return join_texts(tokens)
