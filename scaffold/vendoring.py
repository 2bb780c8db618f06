"""Replace the folder `laptop/` by its wheel, and the references to it, for projects."""

import base64
import hashlib
import io
import os
import re
import subprocess
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .errors import BuildError, SourceError
from .trees import File, Tree, write_tree

PACKAGE = "laptop"
FOLDER = "vendor"

_SOURCES = (f"{PACKAGE}/src/", f"{PACKAGE}/README.md", f"{PACKAGE}/LICENSE")
_PROJECT = f"{PACKAGE}/pyproject.toml"
# Without the builder's version, so that every version of uv builds the same bytes.
_WHEEL = "Wheel-Version: 1.0\nGenerator: scaffold\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_STAMP = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Wheel:
    """A built distribution.

    Attributes:
        path: Path in a project.
        content: Bytes of the wheel.
    """

    path: str
    content: bytes

    @property
    def filename(self) -> str:
        """File name, which includes the version."""
        return self.path.rpartition("/")[2]

    @property
    def digest(self) -> str:
        """SHA-256 of the content, as in a lock file."""
        return hashlib.sha256(self.content).hexdigest()


def vendor_laptop(tree: Tree) -> Tree:
    """Return the root's files with a wheel in place of `laptop/`.

    In the root, `laptop/` is a member of uv's workspace; a project depends on the wheel, which has
    its README next to it. The lock file is edited because `uv lock` would also update every other
    package.

    Raises:
        SourceError: A reference to `laptop` was not recognized.
        BuildError: The wheel cannot be built.
    """
    sources = {path: file for path, file in tree.items() if path.startswith((_PROJECT, *_SOURCES))}
    wheel = build_wheel(tuple((path, file.content) for path, file in sorted(sources.items())))
    path = f'path = "{wheel.path}"'
    wheels = f'wheels = [\n    {{ filename = "{wheel.filename}", hash = "sha256:{wheel.digest}" }},'
    edits = {
        "pyproject.toml": (
            (r"^\[tool\.uv\.workspace\]\nmembers = .*\n\n", ""),
            (r"^laptop = \{ workspace = true \}$", f"laptop = {{ {path} }}"),
        ),
        "uv.lock": (
            (r"^\[manifest\]\nmembers = \[\n(?:    .*\n)+\]\n\n", ""),
            (r"^default-groups = .*\n", ""),
            (r'(?<=^    \{ name = "laptop", )editable = "laptop"', path),
            (r'(?<=^streams = )(\[\{ name = "laptop", .*)editable = "laptop"', rf"\g<1>{path}"),
            (
                r'^source = \{ editable = "laptop" \}\n(dependencies = \[\n(?:    .*\n)+\]\n)',
                rf"source = {{ {path} }}\n\g<1>{wheels}\n]\n",
            ),
        ),
    }
    edited = {name: _edit(name, tree[name], replaced) for name, replaced in edits.items()}
    readme = {f"{FOLDER}/README.md": tree[f"{PACKAGE}/README.md"]}
    return {**tree, **edited, **readme, wheel.path: File(wheel.content)}


@cache
def build_wheel(sources: tuple[tuple[str, bytes], ...]) -> Wheel:
    """Build the wheel reproducibly: equal sources give equal bytes on every machine.

    Args:
        sources: Paths relative to the root, and contents, of the source files.

    Raises:
        BuildError: uv fails or is missing.
    """
    with tempfile.TemporaryDirectory() as scratch:
        write_tree({path: File(content) for path, content in sources}, Path(scratch, "root"))
        command = [os.environ.get("UV", "uv"), "build", "--wheel", "--quiet"]
        command += ["--out-dir", f"{scratch}/built", f"{scratch}/root/{PACKAGE}"]
        try:
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise BuildError(PACKAGE, "There is no uv on the PATH.") from error
        if done.returncode != 0:
            raise BuildError(PACKAGE, done.stderr)
        version = tomllib.loads(dict(sources)[_PROJECT].decode())["project"]["version"]
        (built,) = Path(scratch, "built").glob(f"{PACKAGE}-{version}-*.whl")
        return Wheel(f"{FOLDER}/{built.name}", _pack(built, f"{PACKAGE}-{version}.dist-info"))


def _pack(built: Path, metadata: str) -> bytes:
    """Repack a wheel sorted and uncompressed, because compressors differ in their bytes."""
    with zipfile.ZipFile(built) as wheel:
        files = {one.filename: wheel.read(one) for one in wheel.infolist() if not one.is_dir()}
    files[f"{metadata}/WHEEL"] = _WHEEL.encode()
    del files[f"{metadata}/RECORD"]
    lines = [f"{path},{_hash(content)},{len(content)}" for path, content in sorted(files.items())]
    record = "\n".join((*lines, f"{metadata}/RECORD,,", ""))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        for path, content in (*sorted(files.items()), (f"{metadata}/RECORD", record.encode())):
            entry = zipfile.ZipInfo(path, _STAMP)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            packed.writestr(entry, content)
    return buffer.getvalue()


def _hash(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.decode().rstrip('=')}"


def _edit(name: str, file: File, edits: tuple[tuple[str, str], ...]) -> File:
    text = file.content.decode()
    for pattern, replacement in edits:
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        if count != 1:
            what = f"{pattern!r} matches {count} times"
            raise SourceError(name, 0, what, "Correct it, or scaffold/vendoring.py.")
    return File(text.encode(), file.executable)
