"""What reads otherwise with some choices."""

import re

from .errors import ManifestError, SourceError
from .manifest import Variant
from .tokens import If, Text, Token, Tokens, replace_texts


def split_variants(path: str, tokens: Tokens, variant: Variant) -> Tokens:
    """Puts a choice wherever a file holds what reads otherwise.

    Args:
        path: the file, for errors.
        tokens: what the file holds, cut nowhere but between lines.
        variant: what to look for.

    Raises:
        SourceError: the file does not hold it.
        ManifestError: what stands instead names a group that the pattern has not.
    """
    pattern = re.compile(variant.pattern.pattern, re.MULTILINE)

    def split(text: str) -> Tokens:
        result: list[Token] = []
        position = 0
        for found in pattern.finditer(text):
            result.append(Text(text[position : found.start()]))
            branches = (Text(_expand(found, variant)),), (Text(found.group()),)
            result.append(If(variant.option, variant.choices, *branches))
            position = found.end()
        return (*result, Text(text[position:]))

    split_tokens = replace_texts(tokens, split)
    if split_tokens == tokens:
        what = f"nothing matches {variant.pattern.pattern!r}"
        raise SourceError(path, 0, what, "Correct [[variants]] of scaffold/manifest.toml.")
    return split_tokens


def _expand(found: re.Match[str], variant: Variant) -> str:
    try:
        return found.expand(variant.instead)
    except re.error as error:
        what = f"[[variants]] {variant.instead!r}: {error}"
        raise ManifestError(what, f"The pattern is {variant.pattern.pattern!r}.") from error
