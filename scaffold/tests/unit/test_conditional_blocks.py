"""Blocks that belong to an option: what they become, and which are refused where."""

import pytest

from scaffold.conditional_blocks import parse_blocks
from scaffold.errors import SourceError
from scaffold.tokens import If, Text, Tokens

OPTIONS = {"serving": ("yes", "no"), "ci": ("github", "azure")}

READ: dict[str, tuple[str, str, Tokens]] = {
    "no block": ("a.yml", "one\ntwo\n", (Text("one\ntwo\n"),)),
    "an empty file": ("a.yml", "", ()),
    "a block": (
        "a.yml",
        "one\n  # [option: serving]\n  two\n  # [end]\nthree\n",
        (Text("one\n"), If("serving", ("yes",), (Text("  two\n"),)), Text("three\n")),
    ),
    "an else, whose lines are comments": (
        "Makefile",
        "# [option: ci = azure]\none\n# [else]\n\t# two\n#\n# [end]\n",
        (If("ci", ("azure",), (Text("one\n"),), (Text("\ttwo\n\n"),)),),
    ),
    "a block of choices": (
        "a.yml",
        "# [option: ci = github, azure]\none\n# [end]\n",
        (If("ci", ("github", "azure"), (Text("one\n"),)),),
    ),
    "a block in a block": (
        "a.toml",
        "# [option: serving]\n# [option: ci = github]\none\n# [end]\ntwo\n# [end]\n",
        (If("serving", ("yes",), (If("ci", ("github",), (Text("one\n"),)), Text("two\n"))),),
    ),
    "Markdown": (
        "a.md",
        "<!-- [option: serving] -->\n# One\n<!-- [else] -->\n<!-- Two -->\n<!-- [end] -->\n",
        (If("serving", ("yes",), (Text("# One\n"),), (Text("Two\n"),)),),
    ),
    "a diagram in Markdown": (
        "a.md",
        "one\n    %% [option: serving]\n    a --> b\n    %% [end]\n%% two\n",
        (
            Text("one\n"),
            If("serving", ("yes",), (Text("    a --> b\n"),)),
            Text("%% two\n"),
        ),
    ),
    "a shell script": (
        "a.sh",
        "one\n# [option: serving]\ntwo\n# [end]\n",
        (Text("one\n"), If("serving", ("yes",), (Text("two\n"),))),
    ),
    "lines of this repository alone": (
        "a.toml",
        "one\n# [root]\ntwo\n# [option: serving]\nthree\n# [end]\n# [end]\nfour\n",
        (Text("one\nfour\n"),),
    ),
    "a last line without an end": (
        "a.yml",
        "# [option: serving]\none\n# [end]",
        (If("serving", ("yes",), (Text("one\n"),)),),
    ),
}

REFUSED = {
    "of this repository with an else": ("a.toml", "# [root]\n# [else]\n# [end]\n", 2, "Write one"),
    "of this repository, not closed": ("a.toml", "# [root]\n", 1, r"Write `\[end\]`"),
    "of this repository in Python": ("a.py", "# [root]\n", 1, "Only YAML, TOML"),
    "of an unknown option": ("a.yml", "# [option: x]\n# [end]\n", 1, "Options are: serving = yes"),
    "of an unknown choice": (
        "a.yml",
        "# [option: ci = x]\n# [end]\n",
        1,
        "ci = github, ci = azure",
    ),
    "of a choice and an unknown one": (
        "a.yml",
        "# [option: ci = github, x]\n# [end]\n",
        1,
        "unknown option ci = x",
    ),
    "misspelt": ("a.yml", "one\n# [option: SERVING]\n", 2, r"Write `\[option: name\]`"),
    "not closed": ("a.yml", "one\n# [option: serving]\n", 2, r"Write `\[end\]`"),
    "closed twice": ("a.yml", "# [option: serving]\n# [end]\n# [end]\n", 3, "before it"),
    "with two elses": ("a.yml", "# [option: serving]\n# [else]\n# [else]\n", 3, "Write one"),
    "with an else outside": ("a.yml", "# [else]\n", 1, "Write one"),
    "opened in an else": (
        "a.yml",
        "# [option: serving]\n# [else]\n# [option: ci = azure]\n",
        3,
        "Close the one block",
    ),
    "with code in its else": ("a.yml", "# [option: serving]\n# [else]\none\n", 3, "as comments"),
    "with an arrow that ends its comment": (
        "a.md",
        "<!-- [option: serving] -->\n<!-- [else] -->\n<!-- a --> b -->\n",
        3,
        "as comments",
    ),
    "left open": ("a.md", "<!-- [option: serving]\n", 1, "alone on a line"),
    "closed like the other": ("a.md", "%% [option: serving] -->\n", 1, "alone on a line"),
    "behind code": ("a.yml", "one # [option: serving]\n", 1, "alone on a line"),
    "in Python": ("a.py", "# [option: serving]\n# [end]\n", 1, "Only YAML, TOML, Markdown"),
    "of another language": ("a.md", "# [option: serving]\n", 1, "<!-- "),
}


@pytest.mark.parametrize(("path", "text", "tokens"), READ.values(), ids=READ)
def test_a_text_is_cut_at_its_markers(path: str, text: str, tokens: Tokens) -> None:
    assert parse_blocks(path, text, OPTIONS) == tokens


@pytest.mark.parametrize(("path", "text", "line", "message"), REFUSED.values(), ids=REFUSED)
def test_a_block_is_refused_with_file_and_line(
    path: str, text: str, line: int, message: str
) -> None:
    with pytest.raises(SourceError, match=rf"^{path}:{line}: .*{message}"):
        parse_blocks(path, text, OPTIONS)
