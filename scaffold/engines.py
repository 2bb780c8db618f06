"""The two languages that tokens are written in, so that both render the same bytes."""

import re
from typing import Protocol

from .tokens import Form, If, Text, Tokens, Value


class Engine(Protocol):
    """How a template engine spells what a template is made of."""

    opening: re.Pattern[str]
    """What the engine would take for one of its own tokens, also a brace before one."""

    def value(self, value: Value) -> str:
        """Write where an answer goes."""

    def condition(self, condition: If, then: str, otherwise: str) -> str:
        """Write a choice between two pieces."""


class Go:
    """Go's text/template, as the Databricks CLI runs it."""

    opening = re.compile(r"\{\{|\{\Z")

    def value(self, value: Value) -> str:
        """Write an answer; of the CLI's functions only regular expressions replace."""
        answer = f".{value.answer}"
        match value.form:
            case Form.SNAKE:
                return f"{{{{{answer}}}}}"
            case Form.KEBAB:
                return f'{{{{(regexp "_").ReplaceAllString {answer} "-"}}}}'
            case Form.TITLE:
                first = f"{{{{upper (slice {answer} 0 1)}}}}"
                return f'{first}{{{{(regexp "_").ReplaceAllString (slice {answer} 1) " "}}}}'
            case Form.HOST:
                return f'{{{{lower ((regexp "^https://[^/?#]+").FindString {answer})}}}}'

    def condition(self, condition: If, then: str, otherwise: str) -> str:
        """Write an if, with its else where that says something."""
        middle = f"{{{{else}}}}{otherwise}" if otherwise else ""
        asked = f"{{{{if {self.ask(condition.option, condition.choices)}}}}}"
        return f"{asked}{then}{middle}{{{{end}}}}"

    def ask(self, option: str, choices: tuple[str, ...]) -> str:
        """Write the question whether an option has one of some choices."""
        return " ".join(("eq", f".{option}", *(f'"{choice}"' for choice in choices)))


class Jinja:
    """Jinja, as cookiecutter runs it."""

    opening = re.compile(r"\{[{%#]|\{\Z")

    def value(self, value: Value) -> str:
        """Write an answer."""
        spelled = {
            Form.SNAKE: "",
            Form.KEBAB: '|replace("_", "-")',
            Form.TITLE: '|replace("_", " ")|capitalize',
            Form.HOST: '.lower().split("?")[0].split("#")[0].split("/")[:3]|join("/")',
        }
        return f"{{{{cookiecutter.{value.answer}{spelled[value.form]}}}}}"

    def condition(self, condition: If, then: str, otherwise: str) -> str:
        """Write an if, with its else where that says something."""
        middle = f"{{% else %}}{otherwise}" if otherwise else ""
        choices = ", ".join(f'"{choice}"' for choice in condition.choices)
        asked = f"{{% if cookiecutter.{condition.option} in [{choices}] %}}"
        return f"{asked}{then}{middle}{{% endif %}}"


def write(tokens: Tokens, engine: Engine) -> str:
    """Write tokens as a template of the engine."""
    written: list[str] = []
    for token in tokens:
        match token:
            case Text(text):
                written.append(engine.opening.sub(r'{{"\g<0>"}}', text))
            case Value():
                written.append(engine.value(token))
            case If(then=then, otherwise=otherwise):
                branches = (write(then, engine), write(otherwise, engine))
                written.append(engine.condition(token, *branches))
    return "".join(written)
