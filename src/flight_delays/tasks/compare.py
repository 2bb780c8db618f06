"""Task: compare a version with the Champion of another deployment, which is only read."""

from datetime import UTC, datetime
from typing import Annotated

import mlflow
import pandas as pd
from pydantic import BeforeValidator

from ..config.policy import Policy, load_policy
from ..errors import UnusableInputError
from ..evaluation.side_by_side import compare_metrics, compare_slices
from ..lakehouse.context import Lakehouse
from ..lakehouse.registry import (
    MODEL_URI,
    find_newest,
    parse_model_uri,
    read_aliases,
    read_inputs,
    read_version,
    require_aliases,
)
from ..problem import PROBLEM
from ..promotion.decide import CHALLENGER, CHAMPION, expect_decision
from ..promotion.model_version import MODEL_TYPE_TAG, ModelVersion
from ..promotion.rules import require_gain
from ..promotion.slices import refuse_slices
from ..reports.comparison_report import (
    ComparisonReport,
    write_comparison,
    write_comparison_page,
)
from .comparison import (
    INCUMBENT,
    add_incumbent,
    compare_predictions,
    find_worse,
    measure_losses,
)
from .datasets import advise, require_source
from .holdout import Holdout, load_holdout, score_holdout
from .parameters import FullName, Parameters, SchemaName, Text

PAGE = "comparison.html"


def read_uri(value: object) -> str:
    """Return a valid version URI, or an empty string.

    Raises:
        ValueError: The value has any other form.
    """
    if value and not MODEL_URI.match(str(value)):
        raise ValueError(
            "must be models:/<catalog>.<schema>.<model>/<version>; empty means the Challenger or, "
            "where there is none, the newest version"
        )
    return str(value)


class CompareParameters(Parameters):
    """Parameters of the compare task.

    Attributes:
        model_uri: The version to compare; empty for its Challenger or else its newest.
        champion_of: Full name of the registered model whose Champion it is compared with.
        experiment: This deployment's experiment, for the run with the page.
    """

    model: FullName
    model_uri: Annotated[str, BeforeValidator(read_uri)]
    champion_of: FullName
    source: SchemaName
    experiment: Text
    policy: Text
    job_run: Text


def run(parameters: CompareParameters, lakehouse: Lakehouse) -> None:
    """Compare on the rows held out from the version, and report the gate's expected decision.

    Raises:
        ComparisonRefusedError: A version is missing, or the two cannot be compared.
    """
    policy = load_policy(parameters.policy, PROBLEM.model_type)
    champion = find_champion(parameters.champion_of, parameters.model, lakehouse)
    version = find_version(
        parameters.model_uri, parameters.model, parameters.champion_of, lakehouse
    )
    require_source(lakehouse, parameters.source, parameters.model)
    for each in (version, champion):
        require_alike(each)
    holdout = load_holdout(version.require_as_of(), policy, parameters.source, lakehouse)
    rows = score_both(version, champion, holdout, policy, parameters, lakehouse)
    newest = find_newest(lakehouse.workspace, champion.model) or champion.version
    report = compare_versions(
        version, champion, rows, holdout, parameters.source, policy, newest + 1
    )
    print(write_comparison(report))
    log_comparison(report, version, champion, parameters, lakehouse)


def score_both(
    version: ModelVersion,
    champion: ModelVersion,
    holdout: Holdout,
    policy: Policy,
    parameters: CompareParameters,
    lakehouse: Lakehouse,
) -> pd.DataFrame:
    """Return the held-out rows with predictions of both, each with its own feature look-ups."""
    if not holdout.total:
        raise ComparisonRefusedError(
            f"{parameters.source} has no row with a known label that was decided {holdout}, the "
            f"rows held out from version {version.version} of {version.model}. "
            f"{advise(parameters.source, parameters.model)}"
        )
    try:
        scored = score_holdout(version, holdout, policy, parameters.source, lakehouse)
    except UnusableInputError as error:
        raise ComparisonRefusedError(str(error)) from error
    rows = add_incumbent(scored, holdout, champion, lakehouse)
    for each, predictions in ((version, rows["prediction"]), (champion, rows[INCUMBENT])):
        try:
            PROBLEM.model_type.read(rows[PROBLEM.label.column], predictions)
        except UnusableInputError as error:
            raise ComparisonRefusedError(
                f"Version {each.version} of {each.model} cannot be compared. {error}"
            ) from error
    return rows


def compare_versions(
    version: ModelVersion,
    champion: ModelVersion,
    rows: pd.DataFrame,
    holdout: Holdout,
    source: str,
    policy: Policy,
    number: int,
) -> ComparisonReport:
    """Compare by each loss and metric; only the policy's loss decides.

    `rows` are the held-out ones with predictions of both, `source` is the schema of their tables;
    `number` is the version's in the Champion's model.
    """
    labels, predictions = PROBLEM.model_type.read(rows[PROBLEM.label.column], rows["prediction"])
    _, others = PROBLEM.model_type.read(labels, rows[INCUMBENT])
    by = policy.comparison.loss
    losses = [by, *(loss for loss in PROBLEM.model_type.losses if loss != by)]
    comparisons = [compare_predictions(rows, policy, loss) for loss in losses]
    slices = policy.validation.slices
    return ComparisonReport(
        challenger=version,
        champion=champion,
        compared_at=datetime.now(UTC),
        rows=f"{len(rows):,} rows of {source} decided {holdout}",
        number=number,
        decision=refuse_slices(number, find_worse(rows, policy))
        or expect_decision(
            version,
            champion,
            comparisons[0],
            policy.comparison,
            number=number,
            losses=measure_losses(rows, policy),
            holdout_start=holdout.interval.start,
        ),
        asked=require_gain(version, champion, policy.comparison),
        comparisons=tuple(comparisons),
        metrics=compare_metrics(PROBLEM.model_type, labels, predictions, others),
        slices=None
        if slices is None
        else compare_slices(
            labels,
            predictions,
            others,
            {column: rows[column] for column in slices.columns if column in rows},
            metric=PROBLEM.model_type.require_metric(slices.metric),
            min_rows=slices.min_rows,
        ),
        labels=labels,
        predictions=predictions,
        incumbent=others,
    )


def log_comparison(
    report: ComparisonReport,
    version: ModelVersion,
    champion: ModelVersion,
    parameters: CompareParameters,
    lakehouse: Lakehouse,
) -> None:
    """Log page and figures to a run of this deployment's experiment."""
    found = report.comparisons[0]
    mlflow.set_experiment(parameters.experiment)
    tags = {
        "model_uri": version.uri,
        "champion_uri": champion.uri,
        "decision": report.decision.label,
        "decision_reason": report.decision.reason,
        "policy": parameters.policy,
        "job_run_id": parameters.job_run,
    }
    with mlflow.start_run(run_name=f"compare version {version.version}", tags=tags) as run:
        mlflow.log_metrics(
            {
                f"gain_{found.loss}": found.gain,
                f"gain_{found.loss}_low": found.low,
                f"gain_{found.loss}_high": found.high,
            }
        )
        mlflow.log_text(write_comparison_page(report), PAGE)
    page = f"runs:/{run.info.run_id}/{PAGE}"
    print(f"The page: {page}")
    lakehouse.set_task_value("decision", report.decision.label)
    lakehouse.set_task_value("reason", report.decision.reason)
    lakehouse.set_task_value("page", page)


def main() -> None:
    """Run the task from its command line."""
    run(CompareParameters.parse(), Lakehouse())


class ComparisonRefusedError(Exception):
    """The two cannot be compared; nothing was written."""


def find_champion(champion_of: str, own: str, lakehouse: Lakehouse) -> ModelVersion:
    """Return the Champion of another deployment's model.

    Raises:
        ComparisonRefusedError: There is no Champion, or the model is this deployment's.
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
    """Return the given version, else this deployment's Challenger, else its newest version.

    Raises:
        ComparisonRefusedError: There is no version, or it is of the Champion's model.
    """
    if model_uri:
        model, number = parse_model_uri(model_uri)
        if model == champion_of:
            raise ComparisonRefusedError(
                f"model_uri is {model_uri}, a version of the model whose {CHAMPION} it would be "
                "compared with. Give a version of another model, or leave it empty."
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
    """Check that a version has this problem's model type and inputs.

    Raises:
        ComparisonRefusedError: It does not; the message names its commit.
    """
    model_type = version.tags.get(MODEL_TYPE_TAG, PROBLEM.model_type.name)
    made_of = version.tags.get("git_commit", "not recorded")
    if model_type != PROBLEM.model_type.name:
        raise ComparisonRefusedError(
            f"Version {version.version} of {version.model} is a model of the type "
            f"'{model_type}', but the problem here is '{PROBLEM.model_type.name}'. Compare models "
            f"of one problem; it was trained at commit {made_of}."
        )
    missing = [column for column in read_inputs(version.uri) if column not in PROBLEM.columns]
    if missing:
        raise ComparisonRefusedError(
            f"Version {version.version} of {version.model} needs the inputs {', '.join(missing)}; "
            f"rows here have {', '.join(PROBLEM.columns)}. Run the comparison from code whose "
            f"problem/ still has these columns; the version was trained at commit {made_of}."
        )
