"""The living project's name, wherever it stands in a text or a path."""

import re

from .errors import SourceError
from .tokens import NAME_FORMS, Form, Text, Tokens, Value, join_texts

PROJECT_NAME = "project_name"


class Sentinel:
    """A name that stands only where the project's name is meant, and its forms."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.forms = {form.spell(name): form for form in NAME_FORMS}
        self._forms = re.compile("|".join(map(re.escape, self.forms)))
        self._any = re.compile(name.replace("_", "[ _-]?"), re.IGNORECASE)

    def occurs(self, text: str) -> bool:
        """Return whether a text holds the name, in whatever spelling."""
        return self._any.search(text) is not None

    def check(self, path: str, text: str) -> None:
        """Check that a text spells the name in its forms only.

        Raises:
            SourceError: another spelling, which would stay behind in a render.
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
        """Cut a text at each of the name's forms."""
        result: list[Text | Value] = []
        position = 0
        for found in self._forms.finditer(text):
            result.append(Text(text[position : found.start()]))
            result.append(Value(PROJECT_NAME, self.forms[found.group()]))
            position = found.end()
        result.append(Text(text[position:]))
        return join_texts(result)

    def split_path(self, path: str) -> Tokens:
        """Cut a path at the name.

        Raises:
            SourceError: it holds the name in another form than the one that a path may have.
        """
        tokens = self.split(path)
        strange = [t for t in tokens if isinstance(t, Value) and t.form is not Form.SNAKE]
        self.check(path, path)
        if strange:
            raise SourceError(path, 0, "a path with another form of the name", f"Use {self.name}.")
        return tokens
