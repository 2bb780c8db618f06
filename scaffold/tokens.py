"""Tokens of a template, independent of the engine."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

_HOST = re.compile(r"https://[^/?#]+")


class Form(Enum):
    """Spelling of an answer: as given, as another form of a name, or as the host of a URL."""

    SNAKE = "snake"
    KEBAB = "kebab"
    TITLE = "title"
    HOST = "host"

    def spell(self, answer: str) -> str:
        """Return an answer in this form.

        The name `flight_delays` becomes `flight-delays` or `Flight delays`, the URL
        `https://A.example.com/?o=1` becomes `https://a.example.com`.
        """
        match self:
            case Form.SNAKE:
                return answer
            case Form.KEBAB:
                return answer.replace("_", "-")
            case Form.TITLE:
                return answer.replace("_", " ").capitalize()
            case Form.HOST:
                found = _HOST.match(answer)
                return (found.group() if found else answer).lower()


NAME_FORMS = (Form.SNAKE, Form.KEBAB, Form.TITLE)
"""The forms of a project's name."""


@dataclass(frozen=True)
class Text:
    """Literal text."""

    text: str


@dataclass(frozen=True)
class Value:
    """A placeholder for an answer."""

    answer: str
    form: Form = Form.SNAKE


@dataclass(frozen=True)
class If:
    """A conditional: tokens if an option has one of these choices, and tokens otherwise."""

    option: str
    choices: tuple[str, ...]
    then: "Tokens"
    otherwise: "Tokens" = ()


Token = Text | Value | If
Tokens = tuple[Token, ...]


def replace_texts(tokens: Tokens, replace: Callable[[str], Tokens]) -> Tokens:
    """Replace each text by tokens, also within conditionals."""
    result: list[Token] = []
    for token in tokens:
        match token:
            case Text(text):
                result.extend(replace(text))
            case If(option, choices, then, otherwise):
                branches = (replace_texts(then, replace), replace_texts(otherwise, replace))
                result.append(If(option, choices, *branches))
            case Value():
                result.append(token)
    return join_texts(result)


def join_texts(tokens: Iterable[Token]) -> Tokens:
    """Join adjacent texts and drop empty ones."""
    result: list[Token] = []
    for token in tokens:
        if isinstance(token, Text) and result and isinstance(result[-1], Text):
            result[-1] = Text(result[-1].text + token.text)
        elif token != Text(""):
            result.append(token)
    return tuple(result)
