"""From the root's files to what a template is made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import ManifestError, SourceError
from .manifest import VERSION, Manifest, Place, covers
from .regions import parse_regions
from .sentinel import PROJECT_NAME, Sentinel
from .tokens import If, Text, Tokens, Value, replace_texts
from .trees import File, Tree


@dataclass(frozen=True)
class Part:
    """One file of a template; a binary one has bytes instead of tokens."""

    path: Tokens
    content: Tokens | bytes
    executable: bool


@dataclass(frozen=True)
class Compiler:
    """Compiles the files of one root.

    Attributes:
        manifest: What the root's files are.
        answers: What the root itself has answered.
    """

    manifest: Manifest
    answers: Mapping[str, str]

    def compile(self, tree: Tree) -> tuple[Part, ...]:
        """Compiles every file that goes into a project.

        Raises:
            ManifestError: a rule covers no file, or a place or a belonging is of no file that goes.
            SourceError: a file cannot be compiled, or no rule covers it.
        """
        used, parts = set[str](), dict[str, Part]()
        for path, file in tree.items():
            found = self.manifest.find_rule(path)
            if found is None:
                advice = "Add it to [files] of scaffold/manifest.toml."
                raise SourceError(path, 0, "no rule covers it", advice)
            rule, text = found
            used.add(text)
            if rule != "stay":
                parts[path] = self._compile_file(path, file, verbatim=rule == "verbatim")
        for belonging in self.manifest.belongings:
            lost = [
                rule for rule in belonging.paths if not any(covers(rule, path) for path in parts)
            ]
            if lost:
                what = f"[[belongings]] {', '.join(lost)} covers nothing that goes"
                raise ManifestError(what, "Delete the rule.")
        rules = {text for texts in self.manifest.files.values() for text in texts}
        if stale := sorted(rules - used):
            raise ManifestError(f"[files] {', '.join(stale)} covers nothing", "Delete the rule.")
        if lost := sorted({place.file for place in self._places} - parts.keys()):
            raise ManifestError(f"a place in {', '.join(lost)}, which does not go", "Delete it.")
        return tuple(parts.values())

    @property
    def _places(self) -> tuple[Place, ...]:
        recorded = (
            Place(answer=name, file=self.manifest.record, text=f'"{name}": "{answer}"')
            for name, answer in self.answers.items()
            if name not in (VERSION, PROJECT_NAME)
        )
        return (*self.manifest.places, *recorded)

    def _compile_file(self, path: str, file: File, *, verbatim: bool) -> Part:
        sentinel = Sentinel(self.manifest.sentinel)
        text = _read_text(file.content)
        if text is not None:
            content: Tokens | bytes = self._compile_text(path, text, sentinel)
        elif sentinel.occurs(file.content.decode("latin-1")):
            advice = "Make it again without the name."
            raise SourceError(path, 0, "a binary file with the project's name", advice)
        else:
            content = file.content
        if verbatim and any(isinstance(token, Value | If) for token in content):
            advice = "Use other words, or move the file to `rendered` of scaffold/manifest.toml."
            raise SourceError(path, 0, "a verbatim file with a name, a place or a region", advice)
        return Part(sentinel.split_path(path), content, file.executable)

    def _compile_text(self, path: str, text: str, sentinel: Sentinel) -> Tokens:
        if "\r" in text:
            advice = "End lines with a line feed alone."
            raise SourceError(path, _find_line(text, "\r"), "a carriage return", advice)
        sentinel.check(path, text)
        places = [place for place in self._places if place.file == path]
        for place in places:
            if (times := text.count(place.text)) != place.times:
                what = f"{place.text!r} stands here {times} times, not {place.times}"
                advice = "Correct it, or [[places]] of scaffold/manifest.toml."
                raise SourceError(path, _find_line(text, place.text), what, advice)
        tokens = parse_regions(path, text, self.manifest.options)
        tokens = replace_texts(tokens, lambda text: self._split_places(text, places))
        return replace_texts(tokens, sentinel.split)

    def _split_places(self, text: str, places: list[Place]) -> Tokens:
        for place in places:
            if place.text in text:
                left, _, right = text.partition(place.text)
                return (
                    *self._split_places(left, places),
                    *self._split_place(place),
                    *self._split_places(right, places),
                )
        return (Text(text),)

    def _split_place(self, place: Place) -> Tokens:
        answer = self.answers[place.answer]
        if place.text.count(answer) != 1:
            what = f"the place {place.text!r} does not hold {answer!r} once"
            raise ManifestError(what, "It must hold what this repository has answered.")
        before, _, after = place.text.partition(answer)
        return (Text(before), Value(place.answer), Text(after))


def _read_text(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _find_line(text: str, part: str) -> int:
    """Returns the line of a part, 0 where the text has none."""
    before, found, _ = text.partition(part)
    return before.count("\n") + 1 if found else 0
