"""Compile this repository's root into its templates."""

import argparse
import sys
from pathlib import Path

from .errors import ScaffoldError
from .templates import check_templates, compile_templates, write_templates
from .trees import write_new

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m scaffold", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    compiling = commands.add_parser("compile", help="write template/ and its schema")
    compiling.add_argument("--check", action="store_true", help="write nothing, fail if stale")
    cookiecutter = commands.add_parser("cookiecutter", help="write the cookiecutter template")
    cookiecutter.add_argument("folder", type=Path, help="a new or an empty folder")
    asked = parser.parse_args()
    try:
        templates = compile_templates(ROOT)
        if asked.command == "cookiecutter":
            write_new(templates.cookiecutter, asked.folder)
        elif asked.check:
            check_templates(templates, ROOT)
        else:
            write_templates(templates, ROOT)
    except ScaffoldError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
