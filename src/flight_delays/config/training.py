"""conf/training.yml: what training backtests and explains beside the model itself."""

from pydantic import Field

from .loading import Count, Section, load_configuration


class BacktestPolicy(Section):
    """How the rows of the training window are divided for the backtest.

    Attributes:
        share: Share of the rows, the latest, that candidates are validated on.
        max_rows: Rows to use at most, sampled from all of the window.
        seed: Seed of the sample.
    """

    share: float = Field(gt=0, lt=1)
    max_rows: Count
    seed: int = Field(ge=0)


class Explanations(Section):
    """How much is spent on explaining the model.

    Attributes:
        importance_rows: Held-out rows for permutation importance.
        importance_repeats: Shuffles of each input; their spread is shown, so two or more.
        explained_rows: Held-out rows whose predictions are explained.
        background_rows: Training rows that these are compared with.
        seed: Seed of all samples.
    """

    importance_rows: int = Field(ge=1)
    importance_repeats: int = Field(ge=2)
    explained_rows: int = Field(ge=1)
    background_rows: int = Field(ge=2)
    seed: int = Field(ge=0)


class TrainingPolicy(Section):
    """conf/training.yml.

    Attributes:
        backtest: How candidates are tried.
        explanations: How the model is explained.
    """

    backtest: BacktestPolicy
    explanations: Explanations


def load_training() -> TrainingPolicy:
    """Return conf/training.yml."""
    return load_configuration("training", TrainingPolicy)
