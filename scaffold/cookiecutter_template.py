"""The template for cookiecutter, of the same tokens."""

import json
from collections.abc import Mapping

from .compilation import Part
from .engines import Jinja, write
from .manifest import Manifest
from .refusals import Refusal, list_clashes
from .sentinel import PROJECT_NAME, Sentinel
from .trees import File, Tree

_HOOK = '''"""Refuses answers that no project can be made of."""

import json
import re
import sys

ANSWERS = json.loads(r"""@ANSWERS@""")
ALLOWED = json.loads(r"""@ALLOWED@""")
REFUSED = json.loads(r"""@REFUSED@""")
CLASHES = json.loads(r"""@CLASHES@""")

for name, pattern, allowed in ALLOWED:
    if not re.fullmatch(pattern, ANSWERS[name]):
        sys.exit(f"{name} must be {allowed}; got {ANSWERS[name]!r}.")
for name, pattern, message in REFUSED:
    if re.search(pattern, ANSWERS[name]):
        sys.exit(f"{message}{ANSWERS[name]!r}.")
for name, other, message in CLASHES:
    if ANSWERS[name] == ANSWERS[other]:
        sys.exit(f"{message}{ANSWERS[name]!r}.")
'''


_LAST_HOOK = '''"""Removes the files that go with other answers."""

import json
import shutil
from pathlib import Path

ANSWERS = json.loads(r"""@ANSWERS@""")
BELONGINGS = json.loads(r"""@BELONGINGS@""")

for option, choices, paths in BELONGINGS:
    for path in [] if ANSWERS[option] in choices else paths:
        if path.endswith("/"):
            shutil.rmtree(path)
        else:
            Path(path).unlink()
'''


def build_cookiecutter_template(
    parts: tuple[Part, ...],
    refusals: tuple[Refusal, ...],
    manifest: Manifest,
    answers: Mapping[str, str],
) -> Tree:
    """Returns the template's files: questions, the two hooks, the project."""
    engine = Jinja()
    tree = {
        "cookiecutter.json": File(_write_questions(manifest, answers).encode()),
        "hooks/pre_gen_project.py": File(_write_hook(manifest, refusals).encode()),
        "hooks/post_gen_project.py": File(_write_last_hook(manifest).encode()),
    }
    for part in parts:
        path = f"{{{{cookiecutter.{PROJECT_NAME}}}}}/{write(part.path, engine)}"
        content = part.content
        written = content if isinstance(content, bytes) else write(content, engine).encode()
        tree[path] = File(written, part.executable)
    return tree


def _write_questions(manifest: Manifest, answers: Mapping[str, str]) -> str:
    questions: dict[str, object] = {}
    for name, question in manifest.questions.items():
        default = question.default or answers[name]
        if question.choices:
            others = [choice for choice in question.choices if choice != default]
            questions[name] = [default, *others]
        else:
            questions[name] = write(Sentinel(manifest.sentinel).split(default), Jinja())
    questions["__prompts__"] = {name: q.description for name, q in manifest.questions.items()}
    return json.dumps(questions, indent=2) + "\n"


def _write_hook(manifest: Manifest, refusals: tuple[Refusal, ...]) -> str:
    allowed = [(name, q.pattern, q.allowed) for name, q in manifest.questions.items()]
    refused = [(refusal.answer, refusal.pattern, refusal.message) for refusal in refusals]
    clashes = [(clash.answer, clash.other, clash.message) for clash in list_clashes(manifest)]
    text = _HOOK.replace("@ALLOWED@", json.dumps(allowed)).replace("@REFUSED@", json.dumps(refused))
    return _write_answers(text.replace("@CLASHES@", json.dumps(clashes)), manifest)


def _write_last_hook(manifest: Manifest) -> str:
    belongings = [(one.option, one.choices, one.paths) for one in manifest.belongings]
    return _write_answers(_LAST_HOOK.replace("@BELONGINGS@", json.dumps(belongings)), manifest)


def _write_answers(hook: str, manifest: Manifest) -> str:
    """Writes a hook whose answers cookiecutter puts in, and paths that may hold the name."""
    given = ", ".join(
        f'"{name}": {{{{ cookiecutter.{name} | tojson }}}}' for name in manifest.questions
    )
    sentinel = Sentinel(manifest.sentinel)
    before, _, after = hook.partition("@ANSWERS@")
    written = (write(sentinel.split(text), Jinja()) for text in (before, after))
    return ("{" + given + "}").join(written)
