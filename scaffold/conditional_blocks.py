"""Conditional blocks of a file, marked by comments in the file's language.

A marker is alone on its line and is removed from every render:

    # [option: serving]
    endpoint: yes
    # [else]
    # endpoint: no
    # [end]

`[option: ci = github, gitlab]` matches any of the listed choices, by default "yes". The lines after
`[else]` are comments, which a render uncomments. Markdown uses `<!-- [option: serving] -->`,
Mermaid diagrams use `%% [option: serving]`.

Lines between `# [root]` and `# [end]` are only in this repository, in no render.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from .errors import SourceError
from .tokens import If, Text, Token, Tokens, join_texts

_HASH = re.compile(r"^\s*# \[(?P<marker>option:[^\]]*|root|else|end)\]\s*$")
_MARKDOWN = re.compile(
    r"^\s*(?:(?P<html><!--)|%%) \[(?P<marker>option:[^\]]*|root|else|end)\](?(html) -->)\s*$"
)
_ANY = re.compile(r"\[option:|\[root\]")
_OPTION = re.compile(r"option: (?P<option>[a-z_]+)(?: = (?P<choices>[a-z_]+(?:, [a-z_]+)*))?")
_COMMENTED = re.compile(r"^(?P<indent>\s*)# ?(?P<line>.*)$", re.DOTALL)
# `-->` within the line would end the comment early.
_COMMENTED_MARKDOWN = re.compile(r"^(?P<indent>\s*)<!-- (?P<line>(?:(?!-->).)*) -->(?P<end>\n?)$")
_HASHED = {".yml", ".yaml", ".toml", ".mk", ".sh"}

Options = Mapping[str, Sequence[str]]


@dataclass
class _Block:
    line: int
    option: str = ""
    choices: tuple[str, ...] = ()
    then: list[Token] = field(default_factory=list)
    otherwise: list[Token] | None = None

    def take(self, token: Token) -> None:
        (self.then if self.otherwise is None else self.otherwise).append(token)


def parse_blocks(path: str, text: str, options: Options) -> Tokens:
    """Return a file's text as tokens, split at its markers.

    Args:
        path: Path of the file, which determines its language; also used in errors.
        text: Its content.
        options: The choices of each option.

    Raises:
        SourceError: A marker is misspelt, not closed, wrongly nested, names an unknown option, or
            is in a file type without markers.
    """
    marker = _find_marker(path)
    blocks = [_Block(0)]
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        found = marker.match(line) if marker else None
        if found is None:
            if _ANY.search(line):
                what = "an option's marker that is not understood"
                raise SourceError(path, number, what, _describe_markers(path))
            shown = _uncomment(path, number, line) if blocks[-1].otherwise is not None else line
            blocks[-1].take(Text(shown))
            continue
        match found["marker"]:
            case "else":
                _turn(path, number, blocks)
            case "end":
                _close(path, number, blocks)
            case option:
                blocks.append(_open(path, number, option, options, blocks[-1]))
    if len(blocks) > 1:
        what = f"the block of option {blocks[-1].option or 'root'} is not closed"
        raise SourceError(path, blocks[-1].line, what, "Write `[end]` after its last line.")
    return join_texts(blocks[0].then)


def _find_marker(path: str) -> re.Pattern[str] | None:
    name = PurePosixPath(path)
    if name.suffix == ".md":
        return _MARKDOWN
    if name.suffix in _HASHED or name.name == "Makefile":
        return _HASH
    return None


def _describe_markers(path: str) -> str:
    match _find_marker(path):
        case None:
            return "Only YAML, TOML, Markdown, Makefiles and shell scripts have blocks."
        case marker if marker is _MARKDOWN:
            return "Write `<!-- [option: name] -->`, or `%% [option: name]`, alone on a line."
        case _:
            return "Write `# [option: name]` alone on a line."


def _open(path: str, number: int, text: str, options: Options, outer: _Block) -> _Block:
    if text == "root":
        return _Block(number)
    found = _OPTION.fullmatch(text)
    if found is None:
        advice = "Write `[option: name]` or `[option: name = choice, choice]`."
        raise SourceError(path, number, f"got [{text}]", advice)
    option, choices = found["option"], tuple((found["choices"] or "yes").split(", "))
    if outer.otherwise is not None:
        advice = "Close the one block before the other is opened."
        raise SourceError(path, number, f"option {option} is nested in an [else]", advice)
    if unknown := [choice for choice in choices if choice not in options.get(option, ())]:
        known = [f"{name} = {one}" for name, offered in options.items() for one in offered]
        allowed = f"Options are: {', '.join(known) or 'none'}."
        raise SourceError(path, number, f"unknown option {option} = {unknown[0]}", allowed)
    return _Block(number, option, choices)


def _turn(path: str, number: int, blocks: list[_Block]) -> None:
    if not blocks[-1].option or blocks[-1].otherwise is not None:
        advice = "Write one [else] between [option: name] and [end]."
        raise SourceError(path, number, "[else] without an option's block", advice)
    blocks[-1].otherwise = []


def _close(path: str, number: int, blocks: list[_Block]) -> None:
    if len(blocks) == 1:
        advice = "Write [option: name] before it."
        raise SourceError(path, number, "[end] without an option's block", advice)
    block = blocks.pop()
    if not block.option:
        return
    branches = (join_texts(block.then), join_texts(block.otherwise or []))
    blocks[-1].take(If(block.option, block.choices, *branches))


def _uncomment(path: str, number: int, line: str) -> str:
    markdown = _find_marker(path) is _MARKDOWN
    found = (_COMMENTED_MARKDOWN if markdown else _COMMENTED).match(line)
    if found is None:
        advice = "Write lines after [else] as comments."
        raise SourceError(path, number, "a line that is not a comment", advice)
    return found["indent"] + found["line"] + (found["end"] if markdown else "")
