"""The two that are compared across deployments: which they are, and whether they can be."""

from ..lakehouse.context import Lakehouse
from ..lakehouse.registry import (
    KIND_TAG,
    ModelVersion,
    find_newest,
    parse_model_uri,
    read_aliases,
    read_version,
    require_aliases,
)
from ..lakehouse.scoring import read_inputs
from ..lifecycle import CHALLENGER, CHAMPION
from ..problem import PROBLEM


class ComparisonRefusedError(Exception):
    """The two cannot be compared; nothing was written."""


def find_champion(champion_of: str, own: str, lakehouse: Lakehouse) -> ModelVersion:
    """Return the Champion of another deployment's model.

    Raises:
        ComparisonRefusedError: There is none, or the model is this deployment's own.
        LakehouseError: The model may not be read.
    """
    if champion_of == own:
        raise ComparisonRefusedError(
            f"champion_of is {own}, the model of this deployment itself, which its own task "
            "deploy compares. Name that of production."
        )
    remedy = (
        "champion_of names it; where it is not given, the variables source_catalog and "
        "source_schema say where it is: name production's. Reading it takes EXECUTE on it, USE "
        "CATALOG and USE SCHEMA: docs/cicd.md, Grants."
    )
    number = require_aliases(lakehouse.registry, champion_of, remedy).get(CHAMPION)
    if number is None:
        raise ComparisonRefusedError(
            f"{champion_of} has no {CHAMPION} yet, so there is nothing to compare with. Its own "
            "job model_training makes one; until then the rule of thumb is what has to be beaten, "
            "as the page of a validation shows."
        )
    return read_version(lakehouse.registry, champion_of, number)


def find_version(model_uri: str, own: str, champion_of: str, lakehouse: Lakehouse) -> ModelVersion:
    """Return the version that is named, else this deployment's Challenger, else its newest.

    Raises:
        ComparisonRefusedError: There is none, or it is of the Champion's own model.
    """
    if model_uri:
        model, number = parse_model_uri(model_uri)
        if model == champion_of:
            raise ComparisonRefusedError(
                f"model_uri is {model_uri}, a version of the very model whose {CHAMPION} it is to "
                "be compared with. Name a version of another, or leave it empty."
            )
        return read_version(lakehouse.registry, model, number)
    challenger = read_aliases(lakehouse.registry, own).get(CHALLENGER)
    newest = challenger or find_newest(lakehouse.workspace, own)
    if newest is None:
        raise ComparisonRefusedError(
            f"{own} has no version yet: run the job model_training first, its tasks train and "
            "validate."
        )
    return read_version(lakehouse.registry, own, newest)


def require_alike(version: ModelVersion) -> None:
    """Refuse a version that predicts something else, or of rows that this code does not give.

    Raises:
        ComparisonRefusedError: It is such a version; the message names the commit it was made of.
    """
    kind = version.tags.get(KIND_TAG, PROBLEM.kind.name)
    made_of = version.tags.get("git_commit", "not recorded")
    if kind != PROBLEM.kind.name:
        raise ComparisonRefusedError(
            f"Version {version.version} of {version.model} predicts an outcome of the kind "
            f"'{kind}', the problem here is of the kind '{PROBLEM.kind.name}'. Compare models of "
            f"one problem; the commit that it was made of: {made_of}."
        )
    missing = [column for column in read_inputs(version.uri) if column not in PROBLEM.columns]
    if missing:
        raise ComparisonRefusedError(
            f"Version {version.version} of {version.model} asks for {', '.join(missing)}, which "
            f"rows do not have here; they have {', '.join(PROBLEM.columns)}. Compare from code "
            f"whose problem/ gives these columns still; the commit it was made of: {made_of}."
        )
