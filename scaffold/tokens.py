"""What a template is made of, before it is written for one engine or another."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

_HOST = re.compile(r"https://[^/?#]+")


class Form(Enum):
    """How an answer is spelled: as given, as another form of a name, or as the host of an URL."""

    SNAKE = "snake"
    KEBAB = "kebab"
    TITLE = "title"
    HOST = "host"

    def spell(self, answer: str) -> str:
        """Return the form of an answer.

        That of a name, `flight_delays`, is `flight-delays` or `Flight delays`; that of
        `https://A.example.com/?o=1` is `https://a.example.com`.
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
    """Text that every render holds as it is."""

    text: str


@dataclass(frozen=True)
class Value:
    """The place of an answer."""

    answer: str
    form: Form = Form.SNAKE


@dataclass(frozen=True)
class If:
    """What a render holds where an option has one of some choices, and what where it has not."""

    option: str
    choices: tuple[str, ...]
    then: "Tokens"
    otherwise: "Tokens" = ()


Token = Text | Value | If
Tokens = tuple[Token, ...]


def replace_texts(tokens: Tokens, replace: Callable[[str], Tokens]) -> Tokens:
    """Return the tokens with each text replaced by tokens, also within conditions."""
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
    """Make one text of texts that follow each other; an empty one goes."""
    result: list[Token] = []
    for token in tokens:
        if isinstance(token, Text) and result and isinstance(result[-1], Text):
            result[-1] = Text(result[-1].text + token.text)
        elif token != Text(""):
            result.append(token)
    return tuple(result)
