"""The template for cookiecutter, of the same tokens."""

import json
from collections.abc import Mapping

from .compilation import Part
from .engines import Jinja, write
from .manifest import Manifest
from .refusals import Refusal
from .sentinel import PROJECT_NAME, Sentinel
from .tokens import Text, Tokens
from .trees import File, Tree

_HOOK = '''"""Refuses answers that no project can be made of."""

import json
import re
import sys

ANSWERS = json.loads(r"""@ANSWERS@""")
ALLOWED = json.loads(r"""@ALLOWED@""")
REFUSED = json.loads(r"""@REFUSED@""")

for name, pattern, allowed in ALLOWED:
    if not re.fullmatch(pattern, ANSWERS[name]):
        sys.exit(f"{name} must be {allowed}; got {ANSWERS[name]!r}.")
for name, pattern, message in REFUSED:
    if re.search(pattern, ANSWERS[name]):
        sys.exit(f"{message}{ANSWERS[name]!r}.")
'''


def build_cookiecutter_template(
    parts: tuple[Part, ...],
    refusals: tuple[Refusal, ...],
    manifest: Manifest,
    answers: Mapping[str, str],
) -> Tree:
    """Returns the template's files: questions, the check of the answers, the project."""
    engine = Jinja()
    tree = {
        "cookiecutter.json": File(_write_questions(manifest, answers).encode()),
        "hooks/pre_gen_project.py": File(_write_hook(manifest, refusals).encode()),
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
    given = ", ".join(
        f'"{name}": {{{{ cookiecutter.{name} | tojson }}}}' for name in manifest.questions
    )
    text = _HOOK.replace("@ALLOWED@", json.dumps(allowed)).replace("@REFUSED@", json.dumps(refused))
    before, _, after = text.partition("@ANSWERS@")
    return write(_text(before), Jinja()) + "{" + given + "}" + write(_text(after), Jinja())


def _text(text: str) -> Tokens:
    return (Text(text),)
