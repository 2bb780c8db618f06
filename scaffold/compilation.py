"""Compile the root's files into the parts of a template."""

from collections.abc import Mapping
from dataclasses import dataclass

from .conditional_blocks import parse_blocks
from .errors import ManifestError, SourceError
from .manifest import VERSION, Manifest, covers
from .sentinel import PROJECT_NAME, Sentinel
from .substitutions import Substitution, read_substitution, split_substitutions
from .tokens import If, Tokens, Value, replace_texts
from .trees import File, Tree


@dataclass(frozen=True)
class Condition:
    """A condition: an option has one of these choices."""

    option: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Location:
    """A file's path relative to the project's folder, used if all conditions hold."""

    path: Tokens
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Part:
    """One file of a template.

    Attributes:
        locations: Possible paths, of which at most one applies; that in the project's folder first.
        content: Tokens, or the bytes of a binary file.
        executable: Whether the file is executable.
    """

    locations: tuple[Location, ...]
    content: Tokens | bytes
    executable: bool


@dataclass(frozen=True)
class Compiler:
    """Compiler of a root's files.

    Attributes:
        manifest: The root's manifest.
        answers: The root's own answers.
    """

    manifest: Manifest
    answers: Mapping[str, str]

    def compile(self, tree: Tree) -> tuple[Part, ...]:
        """Compile every file that goes into a project.

        Raises:
            ManifestError: A rule matches no file, or matches only files that are not rendered.
            SourceError: A file cannot be compiled, or no rule covers it.
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
        self._check_overlay(parts)
        self._check_paths(parts)
        rules = {text for texts in self.manifest.files.values() for text in texts}
        if stale := sorted(rules - used):
            raise ManifestError(f"[files] {', '.join(stale)} covers nothing", "Delete the rule.")
        return tuple(parts.values())

    def _check_overlay(self, parts: Mapping[str, Part]) -> None:
        for path in parts:
            rendered = self._locate(path)
            if rendered != path and rendered in parts:
                advice = f"Let {rendered} stay: [files] of scaffold/manifest.toml."
                raise SourceError(path, 0, f"{rendered} is rendered to the same path", advice)

    def _locate(self, path: str) -> str:
        """Return the rendered path of a file of the root."""
        return path.removeprefix(self.manifest.overlay)

    def _check_paths(self, parts: Mapping[str, Part]) -> None:
        named = {
            "[[file_conditions]]": [
                path for one in self.manifest.file_conditions for path in one.paths
            ],
            "[[relocations]]": [path for one in self.manifest.relocations for path in one.paths],
            "[substitutions]": list(self.manifest.substitutions),
        }
        for table, rules in named.items():
            lost = [rule for rule in rules if not any(covers(rule, path) for path in parts)]
            if lost:
                what = f"{table} {', '.join(lost)} covers nothing that goes"
                raise ManifestError(what, "Delete the rule.")

    def _list_locations(self, path: str) -> tuple[Location, ...]:
        sentinel = Sentinel(self.manifest.sentinel)
        needed = tuple(
            Condition(file_condition.option, file_condition.choices)
            for file_condition in self.manifest.file_conditions
            if any(covers(rule, path) for rule in file_condition.paths)
        )
        for relocation in self.manifest.relocations:
            if target := relocation.paths.get(path):
                option, choices = relocation.option, relocation.choices
                others = tuple(o for o in self.manifest.options[option] if o not in choices)
                return (
                    Location(
                        sentinel.split_path(self._locate(path)),
                        (*needed, Condition(option, others)),
                    ),
                    Location(sentinel.split_path(target), (*needed, Condition(option, choices))),
                )
        return (Location(sentinel.split_path(self._locate(path)), needed),)

    def _read_substitutions(self, path: str) -> tuple[Substitution, ...]:
        written = list(self.manifest.substitutions.get(path, ()))
        if path == self.manifest.record:
            asked = (name for name in self.answers if name not in (VERSION, PROJECT_NAME))
            written += [f'"{name}": "{{{name}}}"' for name in asked]
        values, forms = self.manifest.values, self.manifest.forms
        return tuple(read_substitution(text, self.answers, values, forms) for text in written)

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
            raise SourceError(
                path, 0, "a verbatim file with a name, a substitution or a block", advice
            )
        return Part(self._list_locations(path), content, file.executable)

    def _compile_text(self, path: str, text: str, sentinel: Sentinel) -> Tokens:
        if "\r" in text:
            advice = "End lines with a line feed alone."
            raise SourceError(path, _find_line(text, "\r"), "a carriage return", advice)
        sentinel.check(path, text)
        substitutions = self._read_substitutions(path)
        for substitution in substitutions:
            if substitution.text not in text:
                advice = "Correct it, or [substitutions] of scaffold/manifest.toml."
                raise SourceError(path, 0, f"{substitution.text!r} does not occur", advice)
        tokens = parse_blocks(path, text, self.manifest.options)
        tokens = replace_texts(tokens, lambda text: split_substitutions(text, substitutions))
        return replace_texts(tokens, sentinel.split)


def _read_text(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _find_line(text: str, part: str) -> int:
    """Return the line number of a substring, 0 if it is not found."""
    before, found, _ = text.partition(part)
    return before.count("\n") + 1 if found else 0
