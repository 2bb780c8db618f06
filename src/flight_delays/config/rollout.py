"""conf/rollout.yml: traffic steps of a Challenger, guardrails and A/B tests."""

from itertools import pairwise
from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import Field, model_validator

from ..evaluation.model_types import ModelType
from .loading import Count, Section, Text, load_configuration

Percent = Annotated[int, Field(ge=1, le=100)]
Mode: TypeAlias = Literal["immediate", "gradual", "ab"]
GuardrailName: TypeAlias = Literal["errors", "latency", "invalid_scores", "score_distance"]
Rule: TypeAlias = Literal["superiority", "non-inferiority"]


class Increase(Section):
    """Limit of the Challenger's share of bad requests relative to the Champion's.

    Attributes:
        max_increase: Maximum difference of the shares; 0.01 is one request in a hundred.
    """

    max_increase: float = Field(ge=0, lt=1)


class Latency(Increase):
    """Limit of the share of slow requests.

    Attributes:
        limit_ms: A request that takes longer is slow, in milliseconds.
    """

    limit_ms: int = Field(gt=0)


class Distance(Section):
    """Limit of the distance between the arms' score distributions.

    Attributes:
        max: Maximum Kolmogorov-Smirnov distance.
    """

    max: float = Field(gt=0, lt=1)


class Guardrails(Section):
    """Guardrails that roll back a Challenger; one that is omitted or null is disabled.

    Attributes:
        errors: Requests without a 2xx status.
        invalid_scores: Responses with a missing or impossible score.
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
        """The enabled guardrails."""
        every: tuple[GuardrailName, ...] = get_args(GuardrailName)
        return tuple(name for name in every if getattr(self, name) is not None)

    def limit_of(self, name: GuardrailName) -> float:
        """Return the limit of a guardrail."""
        rule: Increase | Distance = getattr(self, name)
        return rule.max if isinstance(rule, Distance) else rule.max_increase


class Quality(Section):
    """Comparison by labels, if they arrive before the horizon.

    Attributes:
        margin: Non-inferiority margin, in the loss's unit.
        min_labels: Minimum labelled requests of each arm to judge quality. The bounds are
            asymptotic and need at least some hundred.
    """

    loss: Text
    margin: float = Field(gt=0)
    min_labels: int = Field(ge=100)


class ABTest(Section):
    """A fixed traffic split for a fixed time.

    Attributes:
        percent: The Challenger's share of the traffic.
        minutes: Duration; only harm ends it early.
        wins_by: The test that the Challenger has to pass to replace the Champion.
    """

    percent: int = Field(ge=1, le=99)
    minutes: Count
    wins_by: Rule


class RolloutPolicy(Section):
    """conf/rollout.yml.

    Attributes:
        mode: All traffic at once, by steps, or an A/B test.
        steps: The Challenger's shares of the traffic, in percent, rising to 100.
        look_seconds: Seconds between two checks.
        probes: Requests that the task itself sends to each arm at each check.
        on_no_traffic: What to do at the horizon if there were fewer than `min_requests`.
        alpha: Error rate: half for rolling back a sound Challenger, half for accepting one that is
            worse by the margin.
        quality: Comparison by labels; None for no comparison.
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
        """The traffic shares at which both arms can be compared."""
        if self.mode == "ab" and self.ab is not None:
            return (self.ab.percent,)
        return tuple(self.steps[:-1]) if self.mode == "gradual" else ()

    @property
    def horizon(self) -> int:
        """Maximum duration in minutes."""
        return self.ab.minutes if self.mode == "ab" and self.ab else self.horizon_minutes

    def require_model_type(self, model_type: ModelType) -> Self:
        """Return the policy if the model type has its loss.

        Raises:
            UnusableInputError: The model type lacks the loss.
        """
        if self.quality is not None:
            model_type.require_loss(self.quality.loss)
        return self


def load_rollout(model_type: ModelType, name: str = "rollout") -> RolloutPolicy:
    """Return conf/<name>.yml.

    Raises:
        ConfigurationError: There is no such file, or it is invalid, such as a loss that this model
            type does not have.
    """
    return load_configuration(
        name, RolloutPolicy, "rollout", lambda policy: policy.require_model_type(model_type)
    )
