"""A model's card: what it is for, what it was made of and how well it does, in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..evaluation.curves import SliceFigure
from ..evaluation.importance import Importance
from ..promotion.checks import show

# Inputs that the card names; the page has more of them.
FIRST_INPUTS = 10


@dataclass(frozen=True)
class Score:
    """A metric's value with its unit."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """All that a card says.

    Attributes:
        model: Full name of the registered model.
        run_id: The run that trained it.
        tags: What the run was told: `as_of`, `policy`, `git_commit`.
        description: What it predicts.
        intended_use: Who is to use it for what.
        limits: Where it does not hold.
        target: What happened to a row, in words.
        windows: The windows of rows, each in words with its number of rows.
        tables: The feature tables, each with its Delta version.
        features: Inputs by where they come from.
        hyperparameters: What it was built of.
        scores: Its metrics on the held-out rows.
        slices: A metric within slices of these.
        slice_metric: That metric.
        slice_rows: Rows from which on a slice is listed.
        loss: The loss that ranks candidates and inputs.
        backtest_rows: Rows that candidates were fitted to, and validated on.
        candidates: Metrics of each candidate, the best first.
        importance: What it leans on, most first.
        importance_unit: The unit of that.
    """

    model: str
    run_id: str
    tags: Mapping[str, str]
    description: str
    intended_use: str
    limits: str
    target: str
    windows: Mapping[str, tuple[str, int]]
    tables: Mapping[str, str]
    features: Mapping[str, Sequence[str]]
    hyperparameters: Mapping[str, object]
    scores: Sequence[Score]
    slices: Sequence[SliceFigure]
    slice_metric: str
    slice_rows: int
    loss: str
    backtest_rows: tuple[int, int]
    candidates: Mapping[str, Sequence[Score]]
    importance: Sequence[Importance]
    importance_unit: str


def write_card(card: Card) -> str:
    """Return the card as Markdown."""
    earlier, later = card.backtest_rows
    sections = {
        "Intended use": [card.intended_use],
        "Limits": [card.limits],
        "Data": [
            write_table(
                ("window", "rows decided", "rows"),
                [(name, when, f"{rows:,}") for name, (when, rows) in card.windows.items()],
            ),
            write_table(("feature table", "Delta version"), card.tables.items()),
        ],
        "Target": [card.target],
        "Features": [
            write_table(
                ("from", "inputs"),
                [
                    (place, ", ".join(f"`{name}`" for name in n))
                    for place, n in card.features.items()
                ],
            )
        ],
        "Hyperparameters": [
            write_table(
                ("name", "value"), [(f"`{n}`", f"{v}") for n, v in card.hyperparameters.items()]
            )
        ],
        "Metrics on held-out rows": [
            "Of the rows of the window holdout, which the model has not learned from. The gate's "
            "verdict on the same rows is `validation.html` of the same run, once the task validate "
            "has run.",
            write_scores(card.scores),
        ],
        "Metrics by slice": write_slices(card),
        "Candidates": [
            f"Each learned from {earlier:,} rows of the window training and was tested on "
            f"{later:,} later ones of that window; the best by {card.loss} first. The figures of "
            "the model are those of one that learned from as few rows, and not those above.",
            write_candidates(card.candidates),
        ],
        "What it leans on": [
            f"By how much the mean {card.loss} of held-out rows rises when an input is shuffled "
            "among them. `training.html` of the same run has plots of it, and of what inputs add "
            "to single predictions.",
            write_table(
                ("input", f"rise{f' in {card.importance_unit}' if card.importance_unit else ''}"),
                [(f"`{i.column}`", show(i.rise)) for i in card.importance[:FIRST_INPUTS]],
            ),
        ],
        "How to reproduce": write_reproduction(card),
    }
    parts = [f"# {card.model}", card.description]
    for title, texts in sections.items():
        parts += [f"## {title}", *texts]
    return "\n\n".join(parts) + "\n"


def write_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def write_scores(scores: Sequence[Score]) -> str:
    """Return metrics as a table."""
    return write_table(("metric", "value"), [(s.name, show(s.value, s.unit)) for s in scores])


def write_slices(card: Card) -> list[str]:
    """Return the policy's metric by slice, or that no slice is large enough."""
    if not card.slices:
        return [f"No slice of the held-out rows has {card.slice_rows:,} rows or more."]
    return [
        f"Slices of {card.slice_rows:,} held-out rows or more, as the policy asks.",
        write_table(
            ("slice", "rows", card.slice_metric, "mean label", "mean prediction"),
            [
                (
                    f"{each.column} = {each.value}",
                    f"{each.rows:,}",
                    "not measured" if each.figure is None else show(each.figure),
                    show(each.label),
                    show(each.prediction),
                )
                for each in card.slices
            ],
        ),
    ]


def write_candidates(candidates: Mapping[str, Sequence[Score]]) -> str:
    """Return a row for each candidate; where labels allow no figure, it stays blank."""
    names = list(dict.fromkeys(score.name for scores in candidates.values() for score in scores))
    rows = []
    for candidate, scores in candidates.items():
        known = {score.name: show(score.value, score.unit) for score in scores}
        rows.append((candidate, *(known.get(name, "") for name in names)))
    return write_table(("candidate", *names), rows)


def write_reproduction(card: Card) -> list[str]:
    """Return what to run to have the same model again, and what it rests on."""
    commit, uncommitted = card.tags["git_commit"], "uncommitted"
    code = "code that is in no commit" if commit == uncommitted else f"commit `{commit}`"
    parameters = f"as_of={card.tags['as_of']},policy={card.tags['policy']}"
    return [
        f"Run `{card.run_id}`, of {code}. With the same code, on tables that hold the same rows, "
        "the same model is trained by:",
        f"```sh\ndatabricks bundle run model_training --params {parameters}\n```",
        "What is deployed to `dev` may differ from the commit by edits.",
    ]
