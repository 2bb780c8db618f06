"""Detect placeholder texts in tags and descriptions."""

import re

# Compared without case and punctuation.
PLACEHOLDERS = frozenset(
    {"blank", "changeme", "description", "empty", "fixme", "foo", "na", "nil", "none", "nothing"}
    | {"null", "pending", "placeholder", "tba", "tbc", "tbd", "todo", "undefined", "unknown", "x"}
)
PHRASES = frozenset({"not available", "not known", "not set", "not specified", "to be defined"})
# Openings of references that a pipeline, a bundle or a job would have replaced.
REFERENCES = ("{{", "${", "$(")
# First words of an unwritten text.
UNFINISHED = frozenset({"changeme", "fixme", "placeholder", "tba", "tbc", "tbd", "todo"})
# A sentence in any language has more distinct letters and words.
MIN_LETTERS = 8
# At most so many distinct words, each repeated, are one sentence repeated.
FEW_WORDS = 7


def find_value_flaw(text: str | None) -> str | None:
    """Return why a text is meaningless, such as "is blank"; None if it is meaningful.

    Short values such as `uncommitted`, a number or a date pass, in any script.
    """
    words = [_strip(word) for word in (text or "").split()]
    if not words:
        return "is blank"
    if not any(words):
        return "has no letter or digit"
    if any(opening in (text or "") for opening in REFERENCES):
        return "has an unresolved reference"
    if " ".join(words) in PHRASES or re.fullmatch(r"\s*<[^<>]*>\s*", text or ""):
        return "is a placeholder"
    flaws = [_find_flaw(word) for word in words if word]
    if all(flaws):
        return flaws[0]
    if len(words) > 1 and len(set(words)) == 1 and not words[0].isdigit():
        return "repeats one word"
    return None


def find_description_flaw(text: str | None) -> str | None:
    """Return why a description is meaningless; stricter than `find_value_flaw`.

    The text may be in any language, including those without spaces between words.
    """
    flaw = find_value_flaw(text)
    if flaw is not None:
        return flaw
    words = [word for word in map(_strip, (text or "").split()) if word]
    if 3 * sum(word in PLACEHOLDERS for word in words) >= len(words):
        return "has placeholders"
    if words[:2] == ["lorem", "ipsum"]:
        return "is filler text"
    signs = (text or "").split()
    # In capitals or before a colon: "todo" begins a sentence in Spanish.
    if _strip(signs[0]) in UNFINISHED and (signs[0].isupper() or signs[0].endswith(":")):
        return "begins with a placeholder"
    if all("://" in each or each.startswith("www.") for each in signs):
        return "is a link alone"
    if len({sign for word in words for sign in word if sign.isalpha()}) < MIN_LETTERS:
        return f"has fewer than {MIN_LETTERS} different letters"
    if len(set(words)) <= min(FEW_WORDS, len(words) / 2):
        return f"repeats {len(set(words))} words"
    return None


def _strip(word: str) -> str:
    return "".join(sign for sign in word.casefold() if sign.isalnum())


def _find_flaw(word: str) -> str | None:
    if word in PLACEHOLDERS:
        return "is a placeholder"
    if len(word) > 1 and len(set(word)) == 1 and word.isalpha():
        return "repeats one letter"
    return None
