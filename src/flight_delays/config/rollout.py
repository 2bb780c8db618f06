"""conf/rollout.yml: how a Challenger gets traffic, and when it is rolled back."""

from itertools import pairwise
from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import Field, model_validator

from ..errors import UnusableInputError
from ..evaluation.model_types import ModelType
from .loading import ConfigurationError, Count, Section, load_configuration

Text = Annotated[str, Field(min_length=1)]
Percent = Annotated[int, Field(ge=1, le=100)]
Mode: TypeAlias = Literal["immediate", "gradual", "ab"]
GuardrailName: TypeAlias = Literal["errors", "latency", "invalid_scores", "score_distance"]
Rule: TypeAlias = Literal["superiority", "non-inferiority"]


class Increase(Section):
    """How much larger the Challenger's share may be than the Champion's.

    Attributes:
        max_increase: The difference that is allowed; 0.01 is one request of a hundred.
    """

    max_increase: float = Field(ge=0, lt=1)


class Latency(Increase):
    """Of requests that take longer than a limit.

    Attributes:
        limit_ms: A request that takes longer is slow, in milliseconds.
    """

    limit_ms: int = Field(gt=0)


class Distance(Section):
    """Of the arms' scores.

    Attributes:
        max: The greatest distance between their cumulative shares (KS) that is allowed.
    """

    max: float = Field(gt=0, lt=1)


class Guardrails(Section):
    """What rolls a Challenger back; one that is left out or null is not watched.

    Attributes:
        errors: Requests that were not answered with a status of 200 to 299.
        latency: Requests that took longer than a limit.
        invalid_scores: Answers with a score that is missing or impossible.
        score_distance: Of the arms' scores.
    """

    errors: Increase | None = None
    latency: Latency | None = None
    invalid_scores: Increase | None = None
    score_distance: Distance | None = None

    @model_validator(mode="after")
    def _any(self) -> Self:
        if not self.names:
            raise ValueError(
                "guardrails: got none, allowed: one or more of "
                f"{', '.join(type(self).model_fields)}. Without one, nothing rolls back a "
                "Challenger that fails"
            )
        return self

    @property
    def names(self) -> tuple[GuardrailName, ...]:
        """Those that are watched."""
        every: tuple[GuardrailName, ...] = get_args(GuardrailName)
        return tuple(name for name in every if getattr(self, name) is not None)

    def limit_of(self, name: GuardrailName) -> float:
        """Return the greatest difference that a guardrail allows."""
        rule: Increase | Distance = getattr(self, name)
        return rule.max if isinstance(rule, Distance) else rule.max_increase


class Quality(Section):
    """Judged where labels come before the horizon.

    Attributes:
        loss: A loss of the problem's model type.
        margin: How much worse a Challenger may be, in the loss's unit.
        min_labels: Fewest requests of each arm whose label is known; with fewer, quality is not
            judged. The bounds are asymptotic and hold from some hundred on.
    """

    loss: Text
    margin: float = Field(gt=0)
    min_labels: int = Field(ge=100)


class ABTest(Section):
    """A fixed split for a fixed time.

    Attributes:
        percent: The Challenger's share of the traffic.
        minutes: How long it lasts; only harm ends it before.
        wins_by: What the Challenger has to show to replace the Champion.
    """

    percent: int = Field(ge=1, le=99)
    minutes: Count
    wins_by: Rule


class RolloutPolicy(Section):
    """conf/rollout.yml.

    Attributes:
        mode: All traffic at once, by steps, or an A/B test.
        steps: The Challenger's shares of the traffic, in percent, rising to 100.
        min_requests: Fewest requests of each arm at a step.
        min_minutes: How long a step lasts at least.
        horizon_minutes: When a gradual roll-out ends, whatever was found.
        look_seconds: How long to wait between two looks.
        probes: Requests to each arm, by the task itself, at each look.
        on_no_traffic: What becomes of it then, where there were fewer requests than `min_requests`.
        alpha: Half of it is the share of sound Challengers that may be rolled back, half that of
            Challengers worse by the margin that may be called not worse.
        guardrails: What rolls back a Challenger at once.
        quality: What is judged by labels; nothing where it is left out.
        ab: The A/B test, where the mode is `ab`.
    """

    mode: Mode
    steps: list[Percent] = Field(min_length=2)
    min_requests: Count
    min_minutes: int = Field(ge=0)
    horizon_minutes: Count
    look_seconds: Count
    probes: int = Field(ge=0)
    on_no_traffic: Literal["finish", "hold"]
    alpha: float = Field(gt=0, le=0.2)
    guardrails: Guardrails
    quality: Quality | None = None
    ab: ABTest | None = None

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.steps[-1] != 100 or any(one >= other for one, other in pairwise(self.steps)):
            raise ValueError(
                f"steps: got {self.steps}, allowed: rising percentages that end with 100. "
                "Write them as [5, 25, 50, 100]"
            )
        return self

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        least = self.min_minutes * (len(self.steps) - 1)
        if self.horizon_minutes < least:
            raise ValueError(
                f"horizon_minutes: got {self.horizon_minutes}, allowed: {least} or more, "
                f"min_minutes ({self.min_minutes}) for each step before 100. Raise it, or have "
                "fewer or shorter steps"
            )
        return self

    @model_validator(mode="after")
    def _ab_described(self) -> Self:
        if self.mode != "ab":
            return self
        if self.ab is None or self.quality is None:
            lacking = "ab" if self.ab is None else "quality"
            raise ValueError(
                f"mode: got ab without the section {lacking}, allowed: ab with both ab and "
                "quality. An A/B test is decided by the quality at its end"
            )
        if self.ab.minutes < self.min_minutes:
            raise ValueError(
                f"ab.minutes: got {self.ab.minutes}, allowed: min_minutes ({self.min_minutes}) or "
                "more. Let the test last longer"
            )
        return self

    @property
    def judged_steps(self) -> tuple[int, ...]:
        """The shares at which both arms have traffic, so that they can be compared."""
        if self.mode == "ab" and self.ab is not None:
            return (self.ab.percent,)
        return tuple(self.steps[:-1]) if self.mode == "gradual" else ()

    @property
    def horizon(self) -> int:
        """After how many minutes it ends, whatever was found."""
        return self.ab.minutes if self.mode == "ab" and self.ab else self.horizon_minutes

    def require_model_type(self, model_type: ModelType) -> Self:
        """Return the policy if a model of this type has the loss that it names.

        Raises:
            UnusableInputError: It has not.
        """
        if self.quality is not None:
            model_type.require_loss(self.quality.loss)
        return self


def load_rollout(model_type: ModelType, name: str = "rollout") -> RolloutPolicy:
    """Return conf/<name>.yml.

    Raises:
        ConfigurationError: There is no such file, or it says what is not allowed, such as a loss
            that this model type does not have.
    """
    try:
        policy = load_configuration(name, RolloutPolicy, "rollout")
        return policy.require_model_type(model_type)
    except UnusableInputError as error:
        raise ConfigurationError(f"{name}.yml", f"{error}", "Then run again.") from error
