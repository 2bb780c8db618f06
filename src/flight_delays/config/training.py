"""conf/training.yml: backtest and explanations of a training."""

from pydantic import Field

from .loading import Count, Section, load_configuration


class BacktestPolicy(Section):
    """How the backtest splits the training window.

    Attributes:
        share: Share of the latest rows to validate candidates on.
        max_rows: Maximum number of rows, sampled from the whole window.
    """

    share: float = Field(gt=0, lt=1)
    max_rows: Count
    seed: int = Field(ge=0)


class Explanations(Section):
    """Sample sizes of the explanations.

    Attributes:
        importance_rows: Held-out rows for permutation importance.
        importance_repeats: Shuffles of each input, two or more to estimate the spread.
        explained_rows: Held-out rows for Shapley values.
        background_rows: Training rows to compare them with.
    """

    importance_rows: int = Field(ge=1)
    importance_repeats: int = Field(ge=2)
    explained_rows: int = Field(ge=1)
    background_rows: int = Field(ge=2)
    seed: int = Field(ge=0)


class TrainingPolicy(Section):
    """conf/training.yml."""

    backtest: BacktestPolicy
    explanations: Explanations


def load_training() -> TrainingPolicy:
    """Return conf/training.yml."""
    return load_configuration("training", TrainingPolicy)
