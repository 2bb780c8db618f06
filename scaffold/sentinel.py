"""Occurrences of the root's project name in texts and paths."""

import re

from .errors import SourceError
from .tokens import NAME_FORMS, Form, Text, Tokens, Value, join_texts

PROJECT_NAME = "project_name"


class Sentinel:
    """The root's project name and its forms, reserved for this use."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.forms = {form.spell(name): form for form in NAME_FORMS}
        self._forms = re.compile("|".join(map(re.escape, self.forms)))
        self._any = re.compile(name.replace("_", "[ _-]?"), re.IGNORECASE)

    def occurs(self, text: str) -> bool:
        """Return whether a text contains the name in any spelling."""
        return self._any.search(text) is not None

    def check(self, path: str, text: str) -> None:
        """Check that a text contains the name only in its known forms.

        Raises:
            SourceError: Another spelling was found, which a render would not replace.
        """
        for found in self._any.finditer(text):
            if found.group() not in self.forms:
                line = text.count("\n", 0, found.start()) + 1
                advice = (
                    f"Spell it {', '.join(self.forms)} where the project is meant, "
                    "otherwise use other words."
                )
                raise SourceError(path, line, f"the project's name as {found.group()!r}", advice)

    def split(self, text: str) -> Tokens:
        """Split a text at each form of the name."""
        result: list[Text | Value] = []
        position = 0
        for found in self._forms.finditer(text):
            result.append(Text(text[position : found.start()]))
            result.append(Value(PROJECT_NAME, self.forms[found.group()]))
            position = found.end()
        result.append(Text(text[position:]))
        return join_texts(result)

    def split_path(self, path: str) -> Tokens:
        """Split a path at the name.

        Raises:
            SourceError: The path contains the name in a form that is not allowed in paths.
        """
        tokens = self.split(path)
        strange = [t for t in tokens if isinstance(t, Value) and t.form is not Form.SNAKE]
        self.check(path, path)
        if strange:
            raise SourceError(path, 0, "a path with another form of the name", f"Use {self.name}.")
        return tokens
