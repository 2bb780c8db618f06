"""conf/policy.yml: windows, validation limits and promotion criteria."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from ..errors import UnusableInputError
from ..evaluation.model_types import ModelType, Side
from .loading import Count, Section, Text, load_configuration

# Start of an unlimited training window.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Window(Section):
    """A length of time in calendar months or in days; exactly one is given."""

    months: Count | None = None
    days: Count | None = None

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if (self.months is None) == (self.days is None):
            raise ValueError("give either months or days, as a whole number from 1")
        return self

    @property
    def fewest_days(self) -> int:
        """Minimum number of days."""
        return self.days or 28 * (self.months or 0)


class Windows(Section):
    """Windows of the data.

    Attributes:
        holdout: Length of the holdout, the latest rows before `as_of`.
        training: Length of the training window before the holdout; None for all earlier rows.
        batch: Rows before `as_of` that batch inference scores.
        ahead_hours: Hours after `as_of` that it scores too, at most a week.
    """

    holdout: Window
    training: Window | None
    batch: Window
    ahead_hours: int = Field(ge=0, le=168)


class Bounds(Section):
    """Bounds of a metric; one may be omitted."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min ({self.min}) must be below max ({self.max})")
        return self

    @property
    def sides(self) -> dict[Side, float]:
        """The given bounds."""
        both: dict[Side, float | None] = {"min": self.min, "max": self.max}
        return {side: bound for side, bound in both.items() if bound is not None}


class Slices(Bounds):
    """Limits within slices.

    A slice column is a feature, or a column of the spine's source or of a source whose primary
    keys that has; it need not be an input of the model. Values below `compared_rows` or
    `compared_days` are pooled in one slice.

    Attributes:
        min_rows: Minimum held-out rows of a value to check its metric; each column needs at least
            one such value.
        compared_rows: Minimum held-out rows of a value to compare it with the Champion's.
        compared_days: Minimum local days of these rows.
        margin: Rejected if the mean loss is significantly more than this above the Champion's.
        max_gap_increase: Maximum increase of the distance between mean prediction and mean label
            relative to the Champion's, in the label's unit.
        first_max_gap: A first Champion is rejected if its mean prediction is significantly further
            than this from the mean label.
    """

    columns: list[Text] = Field(min_length=1)
    min_rows: Count
    metric: Text
    compared_rows: int = Field(ge=30)
    compared_days: int = Field(ge=5)
    margin: float = Field(ge=0)
    max_gap_increase: float = Field(ge=0)
    first_max_gap: float = Field(ge=0)


class Costs(Section):
    """Costs of a false positive and of a false negative, in a unit of your choice."""

    false_alarm: float = Field(gt=0)
    missed: float = Field(gt=0)

    @property
    def threshold(self) -> float:
        """The probability from which an alarm costs less than no alarm."""
        return self.false_alarm / (self.false_alarm + self.missed)


class ValidationPolicy(Section):
    """Limits of a version on the held-out rows.

    Attributes:
        max_rows: Maximum held-out rows; if there are more, each day is sampled.
        max_seconds_per_row: Maximum time of a prediction, measured on a few rows at once.
        untried_environment: Whether a version passes if the environment of its requirements could
            not be built: refuse or allow.
        min_skill: Minimum reduction of the loss relative to predicting the training window's mean
            label.
        costs: Costs shown in the report, which set the threshold; may be omitted.
        required_tags: Tags that the version must have, not blank.
        min_description: Minimum characters of its description.
    """

    min_rows: Count
    max_rows: Count
    max_seconds_per_row: float = Field(gt=0, le=60)
    untried_environment: Literal["refuse", "allow"]
    min_skill: float = Field(ge=0, lt=1)
    metrics: dict[str, Bounds] = Field(min_length=1)
    slices: Slices | None = None
    costs: Costs | None = None
    required_tags: list[Text] = Field(min_length=1)
    min_description: Count

    @property
    def threshold(self) -> float:
        """The score from which the class is 1."""
        return self.costs.threshold if self.costs else 0.5

    @property
    def slice_columns(self) -> list[str]:
        """The slice columns; empty if the policy has no slices."""
        return [] if self.slices is None else self.slices.columns

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.max_rows < self.min_rows:
            raise ValueError(f"max_rows ({self.max_rows}) is below min_rows ({self.min_rows})")
        return self


class ComparisonPolicy(Section):
    """Criteria for promoting a Challenger; gains and margins in the unit of the loss.

    Attributes:
        loss: The loss of the problem's model type to compare by.
        confidence: Confidence level of the interval of the gain in mean loss.
        min_blocks: Minimum number of local days among the held-out rows.
        min_gain: Superiority: the interval's lower bound must exceed this if code, hyperparameters
            or policy have changed.
        first_min_gain: As `min_gain` for the first Champion, against the heuristic baseline.
        first_max_gain: As `max_gain` for the first Champion, against the heuristic baseline.
        margin: Non-inferiority margin of a model that was only retrained on later rows: the lower
            bound must exceed minus this.
        max_gain: A lower bound above this needs approval, because it may come from a leak.
    """

    loss: Text
    confidence: float = Field(gt=0.5, lt=1)
    min_blocks: int = Field(ge=5)
    min_gain: float = Field(ge=0)
    first_min_gain: float = Field(ge=0)
    first_max_gain: float = Field(gt=0)
    margin: float = Field(gt=0)
    max_gain: float = Field(gt=0)

    @model_validator(mode="after")
    def _attainable(self) -> Self:
        if self.max_gain <= self.min_gain:
            raise ValueError(f"max_gain ({self.max_gain}) must exceed min_gain ({self.min_gain})")
        if self.first_max_gain <= self.first_min_gain:
            raise ValueError(
                f"first_max_gain ({self.first_max_gain}) must exceed first_min_gain "
                f"({self.first_min_gain})"
            )
        return self


class Policy(Section):
    """A policy file under conf/."""

    windows: Windows
    validation: ValidationPolicy
    comparison: ComparisonPolicy

    @model_validator(mode="after")
    def _enough_blocks(self) -> Self:
        days, asked = self.windows.holdout.fewest_days, self.comparison.min_blocks
        if days < asked:
            raise ValueError(
                f"windows.holdout: got {days} days, allowed: {asked} or more, as many as "
                "comparison.min_blocks. Widen the holdout; with fewer days the interval is not "
                "reliable"
            )
        return self

    @model_validator(mode="after")
    def _slices_found(self) -> Self:
        slices = self.validation.slices
        if slices is None:
            return self
        for name, size, section, most in (
            (
                "compared_rows",
                slices.compared_rows,
                "validation.min_rows",
                self.validation.min_rows,
            ),
            (
                "compared_days",
                slices.compared_days,
                "comparison.min_blocks",
                self.comparison.min_blocks,
            ),
        ):
            if size > most:
                raise ValueError(
                    f"validation.slices.{name}: got {size}, allowed: {section} ({most}) at most. "
                    "Above it, no slice may be large enough to be compared"
                )
        return self

    def require_model_type(self, model_type: ModelType) -> Self:
        """Return the policy if it suits the model type.

        Raises:
            UnusableInputError: An unknown metric or loss, or no limit that a bad model fails.
        """
        model_type.require_loss(self.comparison.loss)
        if self.validation.costs and model_type.labels is None:
            raise UnusableInputError(
                "validation.costs",
                got=f"a policy of {model_type.name}",
                allowed="costs of wrong alarms where labels are 0 and 1",
                remedy="Leave the section out.",
            )
        slices = self.validation.slices
        sections: dict[str, Mapping[str, Bounds]] = {"metrics": self.validation.metrics}
        if slices is not None:
            sections["slices"] = {slices.metric: slices}
        for section, bounded in sections.items():
            asked = [
                (name, side)
                for name, bounds in bounded.items()
                for side in bounds.sides
                if not model_type.require_metric(name).is_too_good_beyond(side)
            ]
            if not asked:
                raise UnusableInputError(
                    f"validation.{section}",
                    got=", ".join(bounded),
                    allowed="at least one bound that a bad model does not meet",
                    remedy="Give min to what is better when higher, max to what is better lower.",
                )
        return self


def load_policy(name: str, model_type: ModelType) -> Policy:
    """Return conf/<name>.yml: `policy`, or `policy_small` for a few weeks of data.

    Raises:
        ConfigurationError: There is no such policy, or it is invalid, such as a metric that this
            model type does not have.
    """
    return load_configuration(
        name, Policy, "policy", lambda policy: policy.require_model_type(model_type)
    )
