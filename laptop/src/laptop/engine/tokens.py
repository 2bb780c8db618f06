"""Tokens of a SQL statement with their positions, to replace parts of its text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
    | (?P<string>[rR]?'(?:\\.|[^'\\])*'|[rR]?"(?:\\.|[^"\\])*")
    | (?P<dollar>\$\$.*?\$\$)
    | (?P<quoted>`(?:[^`]|``)*`)
    | (?P<word>\w+)
    | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)


class StatementRefused(Exception):
    """A statement that the laptop does not support; the message names an alternative."""


@dataclass(frozen=True)
class Token:
    """A word, string, name in backticks, dollar-quoted text or punctuation mark."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """The word or mark in upper case; empty for strings and quoted names."""
        return self.text.upper() if self.kind in ("word", "mark") else ""

    @property
    def value(self) -> str:
        """The text without its quotes."""
        if self.kind == "quoted":
            return self.text[1:-1].replace("``", "`")
        if self.kind == "string":
            raw = self.text[0] in "rR"
            inner = self.text[1 + raw : -1]
            return inner if raw else re.sub(r"\\(.)", r"\1", inner)
        return self.text

    @property
    def is_name(self) -> bool:
        """Whether this can be a level of a name."""
        return self.kind == "quoted" or (self.kind == "word" and not self.text[0].isdigit())


def scan(text: str) -> list[Token]:
    """Return the tokens of a text, without whitespace and comments."""
    return [
        Token(m.lastgroup or "", m[0], *m.span())
        for m in _TOKEN.finditer(text)
        if m.lastgroup != "space"
    ]


END = Token("end", "", -1, -1)


class Cursor:
    """Parser of a statement, from left to right.

    Args:
        text: One statement; a trailing semicolon is dropped.
    """

    def __init__(self, text: str) -> None:
        self.tokens = scan(text)
        while self.tokens and self.tokens[-1].text == ";":
            self.tokens.pop()
        self.text = text[: self.tokens[-1].end] if self.tokens else ""
        self.at = 0

    @property
    def next(self) -> Token:
        """The next token; `END` after the last one."""
        return self.tokens[self.at] if self.at < len(self.tokens) else END

    def accept(self, *words: str) -> bool:
        """Consume these words if they come next; return whether they do."""
        ahead = tuple(token.upper for token in self.tokens[self.at : self.at + len(words)])
        if ahead != words:
            return False
        self.at += len(words)
        return True

    def any(self, *words: str) -> bool:
        """Consume one of these words if it comes next; return whether one does."""
        return any(self.accept(word) for word in words)

    def take(self) -> Token:
        """Consume and return one token."""
        token = self.next
        self.at += 1
        return token

    def name(self) -> tuple[str, ...]:
        """Consume a name and return its levels."""
        levels = []
        while self.next.is_name:
            levels.append(self.take().value)
            if not self.accept("."):
                break
        if not levels:
            raise StatementRefused(f"A name was expected at '{self.rest[:30]}' in: {self.text}")
        return tuple(levels)

    def string(self) -> str:
        """Consume one or more adjacent strings and return their value."""
        if self.next.kind != "string":
            raise StatementRefused(f"A string was expected at '{self.rest[:30]}' in: {self.text}")
        parts = []
        while self.next.kind == "string":
            parts.append(self.take().value)
        return "".join(parts)

    def group(self) -> list[list[Token]]:
        """Consume a list in parentheses and return the tokens of each item."""
        if not self.accept("("):
            raise StatementRefused(f"A list was expected at '{self.rest[:30]}' in: {self.text}")
        items: list[list[Token]] = [[]]
        depth = 0
        while self.next is not END:
            token = self.take()
            if token.text == ")" and not depth:
                return [item for item in items if item]
            depth += {"(": 1, "<": 1, ")": -1, ">": -1}.get(token.text, 0)
            if token.text == "," and not depth:
                items.append([])
            else:
                items[-1].append(token)
        raise StatementRefused(f"A parenthesis is open in: {self.text}")

    def properties(self) -> dict[str, str]:
        """Consume a list of `key = value` pairs and return it as a dict."""
        found = {}
        for item in self.group():
            cut = next((i for i, token in enumerate(item) if token.text == "="), None)
            key = item[:cut] if cut is not None else item[: len(item) - 1]
            value = item[cut + 1 :] if cut is not None else item[-1:]
            if not key or not value:
                text = f"A property is written key = value; got: {self.slice(item)}"
                raise StatementRefused(text)
            found["".join(t.value for t in key)] = "".join(t.value for t in value)
        return found

    @property
    def rest(self) -> str:
        """The text from the next token on."""
        return "" if self.next is END else self.text[self.next.start :]

    def slice(self, tokens: Sequence[Token]) -> str:
        """Return the text of adjacent tokens."""
        return self.text[tokens[0].start : tokens[-1].end] if tokens else ""


_CATALOG_TYPES = {"bigint": "LONG", "smallint": "SHORT", "tinyint": "BYTE"}


def column_info(name: str, kind: str, position: int) -> dict[str, object]:
    """Return the catalog's column info for a Spark simple type."""
    bare = re.split(r"[<(]", kind)[0]
    shown = _CATALOG_TYPES.get(bare, bare.upper())
    return {"name": name, "type_text": kind, "type_name": shown, "position": position}


def quote(*levels: str) -> str:
    """Return the levels of a name in backticks."""
    return ".".join(f"`{level.replace('`', '``')}`" for level in levels)


def literal(value: object) -> str:
    """Return a value as a SQL literal."""
    if value is None or isinstance(value, bool | int):
        return "NULL" if value is None else str(value)
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def answer(columns: str, rows: Sequence[Sequence[object]]) -> str:
    """Return a query with these rows.

    Args:
        columns: Names and types, such as `name string, size bigint`.
        rows: Values, cast to the types.
    """
    pairs = [column.split(maxsplit=1) for column in columns.split(", ")]
    casts = ", ".join(f"CAST({quote(name)} AS {kind}) AS {quote(name)}" for name, kind in pairs)
    names = ", ".join(quote(name) for name, _ in pairs)
    shown = [f"({', '.join(literal(value) for value in row)})" for row in rows]
    values = ", ".join(shown or [f"({', '.join(['NULL'] * len(pairs))})"])
    where = "" if rows else " WHERE 1 = 0"
    return f"SELECT {casts} FROM VALUES {values} AS answer({names}){where}"


API = "/api/2.1/unity-catalog"
# No-op for the engine.
NOTHING = answer("status string", [])
