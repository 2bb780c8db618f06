"""What a project has in place of the folder `laptop/`: its wheel, and the lines that name it."""

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
# The builder's version is in no wheel, so that each version of uv builds the same bytes.
_WHEEL = "Wheel-Version: 1.0\nGenerator: scaffold\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_STAMP = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Wheel:
    """A built distribution.

    Attributes:
        path: Where it stands in a project.
        content: Its bytes.
    """

    path: str
    content: bytes

    @property
    def filename(self) -> str:
        """Its name, which says the version."""
        return self.path.rpartition("/")[2]

    @property
    def digest(self) -> str:
        """The hash of its bytes, as a lock file has it."""
        return hashlib.sha256(self.content).hexdigest()


def vendor_laptop(tree: Tree) -> Tree:
    """Return the root's files with the wheel of `laptop/` beside them, as projects depend on it.

    In the root the laptop is a member of uv's workspace; a project has no other member, and takes
    the laptop from the wheel, which has its README beside it. The lock file is edited, because
    `uv lock` would write anew what it says of every other package.

    Raises:
        SourceError: a file names the laptop in another way than this replaces.
        BuildError: the wheel cannot be built.
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
    """Build the wheel, the same bytes of the same files on every machine.

    Args:
        sources: The files that it is built of, by their path from the root.

    Raises:
        BuildError: uv cannot build it, or is missing.
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
    """Write a wheel anew, in order and uncompressed: no two compressors write the same bytes."""
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
