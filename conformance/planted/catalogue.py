"""Catalogue of the planted models with expected outcomes and reasons."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import figures, forms, processes, rows
from .base import Planted

# Outcomes: status of validate, or decision of deploy.
FAILED, PASSED = "FAILED", "PASSED"
REJECT, KEEP, NEEDS_APPROVAL = "reject", "keep", "needs_approval"


@dataclass(frozen=True, kw_only=True)
class Plant:
    """A bad model, or a good one that resembles a bad one.

    Attributes:
        name: Name of the plant.
        model: Class of the model.
        ends: Expected outcome.
        reason: Expected part of the reason; blank if no reason is expected.
        tags: Tags that replace those of the Champion; None removes a tag.
        description: Description; None for a valid one.
        pins: Requirements that replace the installed versions.
        experiment: Experiment of the run; blank for that of the job.
        borrows_run: Whether the version names the Champion's run as its own.
        code: Whether the model includes a code folder.
        output: Type of the output in the signature.
        looked_up_at: Timestamp column of the look-ups; blank for that of the problem.
        looked_up_in: Schema of copies of the feature tables for the look-ups; blank for the
            tables themselves.
        deployed_by: Policy for deploy; blank for that of validate.
        moves_alias: Whether the model moves the alias Champion, so that it has to run alone.
        nightly: Whether to test it only nightly: it resembles another one, or other tests of a pull
            request have what refuses it.
    """

    name: str
    model: type[Planted] = Planted
    ends: str = FAILED
    reason: str = ""
    tags: Mapping[str, str | None] = field(default_factory=dict)
    description: str | None = None
    pins: tuple[str, ...] = ()
    experiment: str = ""
    borrows_run: bool = False
    code: bool = False
    output: str = "double"
    looked_up_at: str = ""
    looked_up_in: str = ""
    deployed_by: str = ""
    moves_alias: bool = False
    nightly: bool = False


def plant(name: str, model: type[Planted], reason: str, **more: Any) -> Plant:
    """Return a planted model."""
    return Plant(name=name, model=model, reason=reason, **more)


FORMS = (
    plant("strings", forms.Strings, "it answers ndarray of <U"),
    plant("two columns", forms.TwoColumns, ", 2)"),
    plant("frame", forms.Frame, "DataFrame of float64", nightly=True),
    plant("complex", forms.Complex, "ndarray of complex128", nightly=True),
    plant("decimals", forms.Decimals, "list of object", nightly=True),
    plant("floats as objects", forms.Objects, "ndarray of object", nightly=True),
    plant("whole numbers", forms.Whole, "ndarray of int64", nightly=True),
    plant("one too many", forms.OneTooMany, "ndarray of float64, shape", nightly=True),
    plant("generator", forms.Generator, "it answers generator", nightly=True),
    plant("masked", forms.Masked, "MaskedArray", nightly=True),
    plant("NaN for one slice", forms.Unsure, "carrier=MQ"),
    plant("NaN for all", forms.Blank, "NaN or infinite", nightly=True),
    plant("infinite", forms.Infinite, "NaN or infinite", nightly=True),
    plant("log odds", forms.LogOdds, "outside 0 to 1", nightly=True),
    plant("classes", forms.Classes, "these look like classes"),
    plant("missing look-ups", forms.Forgetful, "rows whose look-ups are all null need a possible"),
    plant("unseen category", forms.Strict, "categories it has never seen: it fails with Value"),
    plant("new destination", forms.NewDestination, "rows of a dest it has never seen",
          nightly=True),
    plant("series", forms.Indexed, "such as {'0': ", nightly=True),
    plant("single precision", forms.Single, "", ends=PASSED, nightly=True),
    plant("list", forms.Listed, "", ends=PASSED, nightly=True),
)  # fmt: skip
ALONE = "may depend on its own row alone"
BATCH = "may not depend on the rows beside it"
AT_ONCE = "calls at the same time may not change each other's predictions"
EACH_TIME = "need the same answer each time"
ROWS = (
    plant("batch mean", rows.BatchMean, ALONE),
    plant("previous row", rows.PreviousRow, ALONE),
    plant("gaps from the next row", rows.NextRowsGaps, ALONE, nightly=True),
    plant("gaps by the batch mean", rows.MeanGaps, ALONE, nightly=True),
    plant("ranks", rows.Ranks, ALONE, nightly=True),
    plant("bad for many", rows.BadForMany, BATCH, nightly=True),
    plant("worse for one", rows.WorseForOne, ALONE, nightly=True),
    plant("by position", rows.ByPosition, BATCH, nightly=True),
    plant(
        "one unseen category for all",
        rows.UnseenForAll,
        "missing or unseen values in the rows",
        nightly=True,
    ),
    plant("NaN alone", rows.NaNForOne, "NaN or infinite for ", nightly=True),
    plant("nulls of a request", rows.ServedNulls, "a request's nulls", nightly=True),
    plant("counts calls", rows.CountsCalls, EACH_TIME, nightly=True),
    plant("remembers", rows.CachesFirst, EACH_TIME, nightly=True),
    plant("keeps the first rows", rows.FirstSeen, EACH_TIME, nightly=True),
    plant("random at each load", rows.RandomLoad, "loaded again, it answers", nightly=True),
    plant("keeps the rows of a call", rows.KeepsRows, AT_ONCE, nightly=True),
    plant("by the clock", rows.ByClock, EACH_TIME, nightly=True),
    plant("random", rows.Random, EACH_TIME, nightly=True),
    plant("mutating", rows.Mutating, "changes the rows it is given"),
    plant("sorting in place", rows.Shuffling, "changes the rows it is given", nightly=True),
)
PROCESSES = (
    plant("slow", processes.Slow, "seconds_per_row"),
    plant("slow later", processes.SlowLater, "seconds_per_row", nightly=True),
    plant("looks for a package", processes.Looking, "", ends=PASSED, nightly=True),
    plant("unlisted requirement", processes.Unlisted, "optuna is not a requirement of the model"),
    plant("unlisted while loaded", processes.Loading, "pyspark is not a requirement of the model",
          nightly=True),
    plant("the project", processes.OfTheProject, "flight_delays is not a requirement of the model",
          nightly=True),
    plant("ends its process", processes.Ending, "ended before it had answered everything",
          nightly=True),
    plant("exits", processes.Leaving, "it fails with SystemExit", nightly=True),
    plant("too much memory", processes.Greedy, "MemoryError", nightly=True),
    plant("megabytes of output", processes.Talkative, "", ends=PASSED, nightly=True),
    plant("writes into its home", processes.Writing, "", ends=PASSED, nightly=True),
    plant("leaves a child", processes.Forking, "", ends=PASSED, nightly=True),
    plant("leaves a thread", processes.Threaded, "", ends=PASSED, nightly=True),
    plant("promotes itself", processes.Promoting, "predicts the same", ends=KEEP, nightly=True),
    plant("promotes itself by its parent's token", processes.ReadingParent,
          "Put back: Champion", moves_alias=True),
)  # fmt: skip
FIGURES = (
    plant("near constant", figures.NearConstant, "skill: "),
    plant("shuffled labels", figures.Shuffled, "min_auc: ", nightly=True),
    plant("one airport doubled", figures.OneAirportDoubled, "[origin=LGA]", ends=REJECT),
    plant("small carriers inverted", figures.SmallCarriersInverted, "[carrier=", ends=REJECT),
    plant("one carrier tripled", figures.OneCarrierTripled, "[carrier=US]", ends=REJECT,
          nightly=True),
    plant("noisy", figures.Noisy, "not significantly better", ends=KEEP),
    plant("another seed", figures.OtherSeed, "not significantly better", ends=KEEP, nightly=True),
    plant("identical", Planted, "predicts the same", ends=KEEP),
    plant("leak of .89", figures.Leaking, "input that is known too late", ends=NEEDS_APPROVAL),
    plant("learned the holdout", figures.LearnedHoldout, "inside the holdout",
          tags={"learned_until": "{holdout_end}"}),
    plant("learned the holdout and lies", figures.LearnedHoldout, "input that is known too late",
          ends=NEEDS_APPROVAL, nightly=True),
    plant("knows the holdout and lies", figures.MemorisedHoldout, "max_auc: ", nightly=True),
)  # fmt: skip
METADATA = (
    plant("validated by another policy", Planted, "validated by something else", ends=REJECT,
          deployed_by="policy"),
    plant("looks up otherwise than it is judged", Planted, "expected {",
          looked_up_at="decision_at", nightly=True),
    plant("otherwise in a job", figures.ByVariable, "Batch predicts", ends=REJECT, nightly=True),
    plant("looks up in another schema", Planted, "of problem/ in dev.", looked_up_in="elsewhere"),
    plant("of another experiment", Planted, "train it by this job", experiment="/elsewhere",
          nightly=True),
    plant("of a borrowed run", Planted, "its version names run", borrows_run=True),
    plant("of another model type", Planted, "its model type is 'regression'",
          tags={"model_type": "regression"}, nightly=True),
    plant("learned too little", Planted, "not up to the holdout",
          tags={"learned_until": "2013-01-15T00:00+00:00"}, nightly=True),
    plant("as_of in the future", Planted, "is in the future",
          tags={"as_of": "2099-01-01T00:00+00:00"}, nightly=True),
    plant("stale features", Planted, "features are older than the holdout",
          tags={"as_of": "{a_day_later}"}),
    plant("no rows", Planted, "no row with a known label",
          tags={"as_of": "2012-06-01T00:00+00:00"}, nightly=True),
    plant("as_of too early", Planted, "inside the holdout", tags={"as_of": "{earlier}"}),
    plant("as_of too early and lies", Planted, "train as of a later instant", ends=REJECT,
          tags={"as_of": "{earlier}", "learned_until": "{earlier_holdout}"}, nightly=True),
    plant("as_of without zone", Planted, "an instant with a zone", tags={"as_of": "2013-03-01"},
          nightly=True),
    plant("as_of unreadable", Planted, "an instant with a zone", tags={"as_of": "yesterday"}),
    plant("no as_of", Planted, "no tag 'as_of'", tags={"as_of": None}),
    plant("no learned_until", Planted, "is not recorded; train again",
          tags={"learned_until": None}, nightly=True),
    plant("description of x", Planted, "description: ", description="x" * 60),
    plant("description of one word", Planted, "description: ", description="model " * 12,
          nightly=True),
    plant("description of a link", Planted, "is a link alone", nightly=True,
          description="https://wiki.example.com/display/ML/flight-delays"),
    plant("description of one sentence again and again", Planted, "repeats 4 words", nightly=True,
          description="This is a model. " * 4),
    plant("description to be written", Planted, "begins with a placeholder", nightly=True,
          description="TODO: say what the model predicts, from what and for whom."),
    plant("tag of ?", Planted, "tag[git_commit]: ", tags={"git_commit": "?"}, nightly=True),
    plant("a version that is not there", Planted, "environment not tried",
          pins=("scipy==0.0.1",), nightly=True),
    plant("a requirement without a version", Planted, "no exact version of scipy",
          pins=("scipy",), nightly=True),
    plant("a requirement by URL", Planted, "environment not tried",
          pins=("scipy @ https://127.0.0.1:9/scipy-1.0-py3-none-any.whl",), nightly=True),
    plant("a requirement by path", Planted, "environment not tried",
          pins=("./scipy-1.0-py3-none-any.whl",), nightly=True),
    plant("signature of text", Planted, "expected: one output of type double", output="string",
          nightly=True),
    plant("brings code", Planted, "", ends=PASSED, code=True, nightly=True),
)  # fmt: skip
PLANTS = (*FORMS, *ROWS, *PROCESSES, *FIGURES, *METADATA)
