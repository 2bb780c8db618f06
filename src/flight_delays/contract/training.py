"""What a training tries and explains beside the model itself."""

from pydantic import Field

from ..lifecycle import RehearsalPolicy, Section
from .configuration import load_configuration


class Explanations(Section):
    """How much is spent on saying what the model leans on.

    Attributes:
        importance_rows: Held-out rows that inputs are shuffled among.
        importance_repeats: How often each input is shuffled.
        explained_rows: Held-out rows whose predictions are taken apart.
        background_rows: Rows that these are compared with.
        seed: Of all that is drawn.
    """

    importance_rows: int = Field(ge=1)
    importance_repeats: int = Field(ge=1)
    explained_rows: int = Field(ge=1)
    background_rows: int = Field(ge=1)
    seed: int = Field(ge=0)


class TrainingPolicy(Section):
    """The file conf/training.yml.

    Attributes:
        rehearsal: Where candidates are tried.
        explanations: How the model is explained.
    """

    rehearsal: RehearsalPolicy
    explanations: Explanations


def load_training() -> TrainingPolicy:
    """Reads conf/training.yml."""
    return load_configuration("training", TrainingPolicy)
