"""Snapshots of the effect of each choice on a project; `make snapshots` writes them.

Each project has this repository's answers except one choice. Added and removed files are listed
by path; other files by their changed lines, without line numbers, because these change with every
line above.
"""

from difflib import unified_diff
from pathlib import Path

from conformance.tests.projects import ROOT
from scaffold.compilation import Part
from scaffold.tests.rendering import Answers, Renderer, load_renderer, make_file

FOLDER = Path(__file__).parent / "snapshots"
FILES = "files.txt"


def write_snapshots(renderer: Renderer) -> dict[str, str]:
    """Return the snapshots: all paths of the project, and the changes by each other choice."""
    own = renderer.complete(renderer.own)
    snapshots = {FILES: "".join(f"{path}\n" for path in sorted(renderer.make(own)))}
    for option, choices in renderer.manifest.options.items():
        for choice in choices:
            if choice != own[option]:
                snapshots[f"{option}-{choice}.diff"] = _compare(renderer, own, {option: choice})
    return snapshots


def _compare(renderer: Renderer, own: Answers, changed: Answers) -> str:
    """Return the changes of each file except the record, which contains all answers."""
    lines: list[str] = []
    for part in renderer.parts:
        before = renderer.find_location(part, own)
        after = renderer.find_location(part, {**own, **changed})
        if before != after:
            lines.append(f"{before or 'nothing'} -> {after or 'nothing'}\n")
        if before and after and not before.endswith(renderer.manifest.record):
            hunks = _list_hunks(part, own, {**own, **changed})
            lines += [f"{after}\n", *hunks] if hunks else []
    return "".join(lines)


def _list_hunks(part: Part, own: Answers, other: Answers) -> list[str]:
    contents = [make_file(part, answers).content for answers in (own, other)]
    # Binary files, such as the wheel, are the same in every project.
    if contents[0] == contents[1]:
        return []
    before, after = (content.decode().splitlines(keepends=True) for content in contents)
    hunks = list(unified_diff(before, after, n=1))[2:]
    return ["@@\n" if line.startswith("@@") else line for line in hunks]


def main() -> None:
    """Write the snapshots."""
    snapshots = write_snapshots(load_renderer(ROOT))
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.iterdir():
        path.unlink()
    for name, text in snapshots.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
