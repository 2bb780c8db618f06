"""The two that are compared across deployments: which they are, and whether they can be."""

from ..lakehouse.context import Lakehouse
from ..lakehouse.registry import (
    find_newest,
    parse_model_uri,
    read_aliases,
    read_version,
    require_aliases,
)
from ..lakehouse.scoring import read_inputs
from ..problem import PROBLEM
from ..promotion.decide import CHALLENGER, CHAMPION
from ..promotion.model_version import MODEL_TYPE_TAG, ModelVersion


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
            "job model_training makes one; until then a version is compared "
            "with the heuristic baseline: see its validation.html."
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
    model_type = version.tags.get(MODEL_TYPE_TAG, PROBLEM.model_type.name)
    made_of = version.tags.get("git_commit", "not recorded")
    if model_type != PROBLEM.model_type.name:
        raise ComparisonRefusedError(
            f"Version {version.version} of {version.model} is a model of the type "
            f"'{model_type}', the problem here is '{PROBLEM.model_type.name}'. Compare models of "
            f"one problem; the commit that it was made of: {made_of}."
        )
    missing = [column for column in read_inputs(version.uri) if column not in PROBLEM.columns]
    if missing:
        raise ComparisonRefusedError(
            f"Version {version.version} of {version.model} asks for {', '.join(missing)}, which "
            f"rows do not have here; they have {', '.join(PROBLEM.columns)}. Compare from code "
            f"whose problem/ gives these columns still; the commit it was made of: {made_of}."
        )
