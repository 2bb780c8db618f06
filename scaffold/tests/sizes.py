"""Files and lines of a new project by folder; `make render-size` prints them.

The lock file, vendored files, notebooks and images are not counted: nobody edits them as text.
"""

from collections import Counter

from conformance.tests.projects import ROOT
from scaffold.tests.rendering import Renderer, load_renderer

_UNCOUNTED = ("vendor/", "uv.lock")


def count_lines(renderer: Renderer) -> dict[str, int]:
    """Return the number of lines of each file of the default project, by path."""
    tree = renderer.render({})
    paths = {path: path.partition("/")[2] for path in tree}
    return {
        inner: tree[path].content.count(b"\n")
        for path, inner in sorted(paths.items())
        if not inner.startswith(_UNCOUNTED) and not inner.endswith((".ipynb", ".svg"))
    }


def find_folder(path: str) -> str:
    """Return the folder that a file is counted in, `.` for the project's root."""
    *above, _ = path.split("/")
    depth = {"src": 3, "tests": 2}.get(above[0], 1) if above else 0
    return "/".join(above[:depth]) or "."


def main() -> None:
    """Print the sizes."""
    lines = count_lines(load_renderer(ROOT))
    files, sizes = Counter[str](), Counter[str]()
    for path, size in lines.items():
        files[find_folder(path)] += 1
        sizes[find_folder(path)] += size
    for folder in sorted(files):
        print(f"{files[folder]:6} files {sizes[folder]:8,} lines  {folder}")
    print(f"{len(lines):6} files {sum(lines.values()):8,} lines  in all")


if __name__ == "__main__":
    main()
