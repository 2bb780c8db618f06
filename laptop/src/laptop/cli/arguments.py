"""Arguments of commands: repeated options, and job parameters after `--`."""

import csv

from ..errors import LaptopError


def split(option: str, values: list[str] | None) -> list[str]:
    """Return the items of a repeatable option; each value is a line of CSV, as in the CLI."""
    items: list[str] = []
    for value in values or []:
        try:
            items += next(csv.reader([value], strict=True), [])
        except csv.Error as error:
            raise LaptopError(f"{option} takes a line of CSV; got '{value}': {error}.") from None
    return [item for item in items if item]


def read_pairs(option: str, values: list[str] | None) -> dict[str, str]:
    """Parse `key=value` items."""
    pairs: dict[str, str] = {}
    for item in split(option, values):
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise LaptopError(
                f"{option} takes key=value, separated by commas; got '{item}'. A value with a "
                f"comma takes quotes around the whole: {option} '\"key=a,b\"'."
            )
        if key in pairs:
            raise LaptopError(f"{option} gives '{key}' twice.")
        pairs[key] = value
    return pairs


def read_arguments(given: list[str] | None) -> dict[str, str]:
    """Parse the job parameters after `--`: `--key=value`, or `--key value`."""
    pairs: dict[str, str] = {}
    words = iter(given or [])
    for word in words:
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not key:
            raise LaptopError(f"After -- stand job parameters, --key=value; got '{word}'.")
        pairs[key] = value if equals else next(words, "")
    return pairs
