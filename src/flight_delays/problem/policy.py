"""The policy: which rows are held out, what a model must reach, and when it replaces another."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .configuration import load_configuration

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of a policy: unknown keys, other types and later changes are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Window(Section):
    """A stretch of time: calendar months or days, one of the two."""

    months: Count | None = None
    days: Count | None = None

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if (self.months is None) == (self.days is None):
            raise ValueError("give either months or days, as a whole number from 1")
        return self


class Windows(Section):
    """How far back the parts of the data reach.

    Attributes:
        holdout: The latest flights before `as_of`, which a model is judged by.
        training: The flights before those, which it learns from; all of them when None.
        batch: The flights before `as_of` that batch inference scores.
    """

    holdout: Window
    training: Window | None
    batch: Window


class Validation(Section):
    """What a model must reach on the held-out rows to be a Challenger.

    Attributes:
        min_rows: Held-out rows with a label.
        max_log_loss: Ceiling of the mean log loss.
        min_auc: Floor of the area under the ROC curve.
        max_auc: Above it a model is too good to be true: something leaks.
        max_calibration_error: Ceiling of the expected calibration error.
        slice_columns: Columns whose every value is judged by itself.
        slice_min_rows: Held-out rows from which on a slice counts.
        slice_min_auc: Floor of the area under the ROC curve within a slice.
        required_tags: Tags that the model version must carry.
        min_description: Characters that its description must have.
    """

    min_rows: Count
    max_log_loss: float = Field(gt=0)
    min_auc: Share
    max_auc: Share
    max_calibration_error: Share
    slice_columns: list[str]
    slice_min_rows: Count
    slice_min_auc: Share
    required_tags: list[str]
    min_description: Count

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_auc >= self.max_auc:
            raise ValueError(f"min_auc ({self.min_auc}) must be below max_auc ({self.max_auc})")
        return self


class Comparison(Section):
    """When a Challenger is better than what it would replace.

    Attributes:
        resamples: Bootstrap resamples of the held-out rows.
        confidence: Of the interval around the gain in mean log loss.
        seed: Of the resamples.
        min_gain: What the interval's lower bound must exceed to replace a Champion.
        first_min_gain: The same for the first Champion, over the rule of thumb.
    """

    resamples: int = Field(ge=100, le=100_000)
    confidence: float = Field(gt=0.5, lt=1)
    seed: int = Field(ge=0)
    min_gain: float = Field(ge=0)
    first_min_gain: float = Field(ge=0)


class Policy(Section):
    """A policy as reviewed under conf/."""

    windows: Windows
    validation: Validation
    comparison: Comparison


def load_policy(name: str) -> Policy:
    """Reads conf/<name>.yml: `policy`, or `policy_small` for a few weeks of data.

    Raises:
        ConfigurationError: There is no such policy, or it says what is not allowed.
    """
    return load_configuration(name, Policy)
