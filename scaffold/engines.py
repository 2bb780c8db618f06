"""Template engines: Go and Jinja, which render the same bytes from the same tokens."""

import re
from typing import Protocol

from .tokens import Form, If, Text, Tokens, Value


class Engine(Protocol):
    """Syntax of a template engine."""

    opening: re.Pattern[str]
    """What the engine would take for one of its own tokens, also a brace before one."""

    def value(self, value: Value) -> str:
        """Return the expression of an answer."""

    def condition(self, condition: If, then: str, otherwise: str) -> str:
        """Return a conditional with two branches."""


class Go:
    """Go's text/template with the functions of the Databricks CLI."""

    opening = re.compile(r"\{\{|\{\Z")

    def value(self, value: Value) -> str:
        """Return the expression of an answer; the CLI can replace text only by `regexp`."""
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
        """Return a conditional; an empty else branch is omitted."""
        middle = f"{{{{else}}}}{otherwise}" if otherwise else ""
        asked = f"{{{{if {self.ask(condition.option, condition.choices)}}}}}"
        return f"{asked}{then}{middle}{{{{end}}}}"

    def ask(self, option: str, choices: tuple[str, ...]) -> str:
        """Return an expression that is true if an option has one of these choices."""
        return " ".join(("eq", f".{option}", *(f'"{choice}"' for choice in choices)))


class Jinja:
    """Jinja with the variables of cookiecutter."""

    opening = re.compile(r"\{[{%#]|\{\Z")

    def value(self, value: Value) -> str:
        """Return the expression of an answer."""
        spelled = {
            Form.SNAKE: "",
            Form.KEBAB: '|replace("_", "-")',
            Form.TITLE: '|replace("_", " ")|capitalize',
            Form.HOST: '.lower().split("?")[0].split("#")[0].split("/")[:3]|join("/")',
        }
        return f"{{{{cookiecutter.{value.answer}{spelled[value.form]}}}}}"

    def condition(self, condition: If, then: str, otherwise: str) -> str:
        """Return a conditional; an empty else branch is omitted."""
        middle = f"{{% else %}}{otherwise}" if otherwise else ""
        choices = ", ".join(f'"{choice}"' for choice in condition.choices)
        asked = f"{{% if cookiecutter.{condition.option} in [{choices}] %}}"
        return f"{asked}{then}{middle}{{% endif %}}"


def write(tokens: Tokens, engine: Engine) -> str:
    """Return tokens as template text of an engine."""
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
