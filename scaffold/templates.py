"""Compile both templates of a root; write and check the committed one."""

from dataclasses import dataclass
from pathlib import Path

from .bundle_template import FOLDER, SCHEMA, build_bundle_template, build_schema, read_cli_version
from .compilation import Compiler
from .cookiecutter_template import build_cookiecutter_template
from .errors import StaleTemplateError
from .manifest import load_answers, load_manifest
from .refusals import list_refusals
from .trees import File, Tree, compare, read_folder, read_repository, write_tree
from .vendoring import vendor_laptop


@dataclass(frozen=True)
class Templates:
    """The compiled templates of a root."""

    bundle: Tree
    schema: File
    cookiecutter: Tree


def read_source(root: Path) -> Tree:
    """Read a repository without its compiled files, with `laptop/` as a wheel.

    Raises:
        ScaffoldError: The wheel cannot be built, or a reference to it was not recognized.
    """
    standing = {
        path: file
        for path, file in read_repository(root).items()
        if path != SCHEMA and not path.startswith(f"{FOLDER}/")
    }
    return vendor_laptop(standing)


def compile_templates(root: Path) -> Templates:
    """Compile a repository's root without writing files.

    Raises:
        ScaffoldError: The root or its manifest is invalid.
    """
    manifest = load_manifest(root / "scaffold" / "manifest.toml")
    answers = load_answers(root, manifest)
    tree = read_source(root)
    parts = Compiler(manifest, answers).compile(tree)
    refusals = list_refusals(tree, manifest)
    return Templates(
        bundle=build_bundle_template(parts, refusals, manifest),
        schema=build_schema(manifest, answers, read_cli_version(tree)),
        cookiecutter=build_cookiecutter_template(parts, refusals, manifest, answers),
    )


def write_templates(templates: Templates, root: Path) -> None:
    """Write the template of `databricks bundle init` below a folder."""
    write_tree(templates.bundle, root / FOLDER)
    (root / SCHEMA).write_bytes(templates.schema.content)


def check_templates(templates: Templates, root: Path) -> None:
    """Check that the template below a folder is up to date.

    Raises:
        StaleTemplateError: It is not.
    """
    schema = root / SCHEMA
    standing = schema.read_bytes() if schema.exists() else b""
    differences = compare(templates.bundle, read_folder(root / FOLDER))
    if standing != templates.schema.content:
        differences.append(f"different: {SCHEMA}")
    if differences:
        raise StaleTemplateError(differences)
