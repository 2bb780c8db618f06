"""The cookiecutter template, written from the same tokens."""

import json
from collections.abc import Mapping

from .compilation import Part
from .engines import Jinja, write
from .manifest import Manifest
from .refusals import Refusal, list_clashes
from .sentinel import PROJECT_NAME, Sentinel
from .tokens import Text
from .trees import File, Tree

_HOOK = '''"""Refuses answers that no project can be made of."""

import json
import re
import sys
from pathlib import Path

ANSWERS = json.loads(r"""@ANSWERS@""")
ALLOWED = json.loads(r"""@ALLOWED@""")
REFUSED = json.loads(r"""@REFUSED@""")
CLASHES = json.loads(r"""@CLASHES@""")
LOCATIONS = json.loads(r"""@LOCATIONS@""")


def refuse(why):
    given = json.dumps({"default_context": ANSWERS}, indent=2)
    advice = "Correct these answers, save them as answers.json and run"
    command = "cookiecutter --no-input --config-file answers.json TEMPLATE"
    sys.exit(f"{why}\\n{advice} {command}:\\n{given}")


for name, pattern, allowed in ALLOWED:
    if not re.fullmatch(pattern, ANSWERS[name]):
        refuse(f"{name} must be {allowed}; got {ANSWERS[name]!r}.")
for name, pattern, message in REFUSED:
    if re.search(pattern, ANSWERS[name]):
        refuse(f"{message}{ANSWERS[name]!r}.")
for name, other, message in CLASHES:
    if ANSWERS[name] == ANSWERS[other]:
        refuse(f"{message}{ANSWERS[name]!r}.")
for path, conditions in (location for locations in LOCATIONS for location in locations):
    holds = all(ANSWERS[option] in choices for option, choices in conditions)
    if holds and path.startswith("../") and Path(path).exists():
        sys.exit(f"{path[3:]} already exists beside the project; move it away, then try again.")
'''

_LAST_HOOK = '''"""Moves each file to its location with these answers, or deletes it."""

import json
from pathlib import Path

ANSWERS = json.loads(r"""@ANSWERS@""")
LOCATIONS = json.loads(r"""@LOCATIONS@""")

for locations in LOCATIONS:
    rendered = Path(locations[0][0])
    for path, conditions in locations:
        if all(ANSWERS[option] in choices for option, choices in conditions):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            rendered.rename(path)
            break
    else:
        rendered.unlink()
for folder in sorted(Path().rglob("*"), reverse=True):
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
'''


def build_cookiecutter_template(
    parts: tuple[Part, ...],
    refusals: tuple[Refusal, ...],
    manifest: Manifest,
    answers: Mapping[str, str],
) -> Tree:
    """Return the template's files: questions, two hooks and the project."""
    engine = Jinja()
    tree = {
        "cookiecutter.json": File(_write_questions(manifest, answers).encode()),
        "hooks/pre_gen_project.py": File(_write_hook(parts, refusals, manifest).encode()),
        "hooks/post_gen_project.py": File(_fill_hook(_LAST_HOOK, parts, manifest).encode()),
    }
    for part in parts:
        path = f"{{{{cookiecutter.{PROJECT_NAME}}}}}/{write(part.locations[0].path, engine)}"
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
    questions["_copy_without_render"] = ["*.whl"]
    questions["__prompts__"] = {name: q.description for name, q in manifest.questions.items()}
    return json.dumps(questions, indent=2) + "\n"


def _write_hook(parts: tuple[Part, ...], refusals: tuple[Refusal, ...], manifest: Manifest) -> str:
    allowed = [(name, q.pattern, q.allowed) for name, q in manifest.questions.items()]
    refused = [(refusal.answer, refusal.pattern, refusal.message) for refusal in refusals]
    clashes = [(clash.answer, clash.other, clash.message) for clash in list_clashes(manifest)]
    text = _HOOK.replace("@ALLOWED@", json.dumps(allowed)).replace("@REFUSED@", json.dumps(refused))
    return _fill_hook(text.replace("@CLASHES@", json.dumps(clashes)), parts, manifest)


def _fill_hook(hook: str, parts: tuple[Part, ...], manifest: Manifest) -> str:
    """Return a hook's source with placeholders for the answers, also in file paths."""
    given = ", ".join(
        f'"{name}": {{{{ cookiecutter.{name} | tojson }}}}' for name in manifest.questions
    )
    locations = [
        [
            (
                write(location.path, Jinja()),
                [(one.option, one.choices) for one in location.conditions],
            )
            for location in part.locations
        ]
        for part in parts
        if part.locations[0].conditions
    ]
    written = write((Text(hook),), Jinja()).replace("@LOCATIONS@", json.dumps(locations))
    return written.replace("@ANSWERS@", f"{{{given}}}")
