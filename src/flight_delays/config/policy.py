"""conf/policy.yml: windows, limits of validation, and when a model replaces another."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..errors import UnusableInputError
from ..evaluation.model_types import ModelType, Side
from .loading import ConfigurationError, Count, Section, load_configuration

Text = Annotated[str, Field(min_length=1)]

# What a training window of None reaches back to.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Window(Section):
    """A stretch of time: calendar months or days, one of the two."""

    months: Count | None = None
    days: Count | None = None

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if (self.months is None) == (self.days is None):
            raise ValueError("give either months or days, as a whole number from 1")
        return self

    @property
    def fewest_days(self) -> int:
        """How many days it has at least."""
        return self.days or 28 * (self.months or 0)


class Windows(Section):
    """Where the parts of the data begin and end.

    Attributes:
        holdout: The latest rows before `as_of`, which a model is judged by.
        training: The rows before those, which it learns from; all of them when None.
        batch: The rows before `as_of` that batch inference scores.
        ahead_hours: The rows of how many hours after `as_of` it scores, too: a week at most.
    """

    holdout: Window
    training: Window | None
    batch: Window
    ahead_hours: int = Field(ge=0, le=168)


class Bounds(Section):
    """Between what a figure must lie; one bound may be left out."""

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
        """The bounds there are."""
        both: dict[Side, float | None] = {"min": self.min, "max": self.max}
        return {side: bound for side, bound in both.items() if bound is not None}


class Slices(Bounds):
    """What is asked of a model within each value of some columns.

    Columns are those of the spine's source, of a source whose primary keys it has, and features;
    the model need not see them. Values with fewer rows or days than are compared are judged
    together, as one.

    Attributes:
        columns: Columns whose every value is judged by itself.
        min_rows: Held-out rows from which on the metric of a value is held to the bounds; each
            column needs one value that has them.
        metric: The metric that is held to the bounds.
        compared_rows: Held-out rows from which on a value is compared with the Champion's.
        compared_days: Local days that these rows fall on, at least.
        margin: A mean loss significantly more than this above the Champion's is refused.
        max_gap_increase: How much further from the mean label the mean prediction may be than the
            Champion's, in the label's unit.
        first_max_gap: A mean prediction of a first Champion that is significantly further from
            the mean label is refused.
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
    """What wrong alarms cost, of labels 0 and 1, in one unit of your choice.

    Attributes:
        false_alarm: An alarm where the label is 0.
        missed: No alarm where the label is 1.
    """

    false_alarm: float = Field(gt=0)
    missed: float = Field(gt=0)

    @property
    def threshold(self) -> float:
        """The probability from which on an alarm costs less than none."""
        return self.false_alarm / (self.false_alarm + self.missed)


class ValidationPolicy(Section):
    """What a version is held to on the held-out rows.

    Attributes:
        min_rows: Fewest held-out rows.
        max_rows: Most held-out rows that are measured; of more, a sample of each day is.
        max_seconds_per_row: How long a prediction may take, of a few rows at once.
        untried_environment: Whether a version passes where the environment of its requirements
            could not be built: refuse or allow.
        min_skill: Least share of the loss of the training window's mean label that it saves.
        metrics: Metrics of the problem's model type, each with the bounds it is held to.
        slices: What is asked within slices; nothing where it is left out.
        costs: Shown in the report, at the threshold they lead to; may be left out.
        required_tags: Tags that the version must carry, not blank.
        min_description: Fewest characters of its description.
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
        """The score from which on the class is 1, of labels 0 and 1."""
        return self.costs.threshold if self.costs else 0.5

    @property
    def slice_columns(self) -> list[str]:
        """The columns of the slices; none where the policy has no slices."""
        return [] if self.slices is None else self.slices.columns

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.max_rows < self.min_rows:
            raise ValueError(f"max_rows ({self.max_rows}) is below min_rows ({self.min_rows})")
        return self


class ComparisonPolicy(Section):
    """When a Challenger replaces a Champion; gains and margins in the unit of the loss.

    Attributes:
        loss: The loss of the problem's model type that both are compared by.
        confidence: Of the interval around the gain in mean loss.
        min_blocks: Fewest local days that the held-out rows fall into.
        min_gain: What the interval's lower bound must exceed where something was changed.
        first_min_gain: The same for the first Champion, over the heuristic baseline.
        first_max_gain: As `max_gain` for the first Champion, over the heuristic baseline.
        margin: How much worse a model may be that has only learned from later rows: the lower
            bound must lie above minus this.
        max_gain: A lower bound above this is too good: a person looks for a leak first.
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
    """A policy as reviewed under conf/."""

    windows: Windows
    validation: ValidationPolicy
    comparison: ComparisonPolicy

    @model_validator(mode="after")
    def _enough_blocks(self) -> Self:
        days, asked = self.windows.holdout.fewest_days, self.comparison.min_blocks
        if days < asked:
            raise ValueError(
                f"windows.holdout: got {days} days, allowed: {asked} or more, as many as "
                "comparison.min_blocks. Widen the holdout; fewer days make an interval that says "
                "little"
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
        """Return the policy if a model of this model type can be judged by it.

        Raises:
            UnusableInputError: It names a metric or a loss that the model type does not have, or
                has no limit that a bad model fails.
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

    Args:
        name: The file's name, without its ending.
        model_type: The model type that is to be validated by it.

    Raises:
        ConfigurationError: There is no such policy, or it says what is not allowed, such as a
            metric that this model type does not have.
    """
    try:
        return load_configuration(name, Policy, "policy").require_model_type(model_type)
    except UnusableInputError as error:
        raise ConfigurationError(f"{name}.yml", f"{error}", "Then run again.") from error
