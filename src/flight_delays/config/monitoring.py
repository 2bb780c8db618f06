"""conf/monitoring.yml: monitored signals of a model in use, with thresholds and actions."""

from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from ..evaluation.model_types import ModelType
from .loading import Count, Section, Text, load_configuration

Granularity: TypeAlias = Literal["day", "week", "month"]
Kind: TypeAlias = Literal[
    "numerical_drift",
    "categorical_drift",
    "score_drift",
    "quality",
    "nulls",
    "volume",
    "errors",
    "latency",
    "skew",
    "freshness",
    "silence",
]
Action: TypeAlias = Literal["retrain", "watch", "blind", "stale"]


class Limit(Section):
    """The threshold of a window; exactly one of the two is given.

    Attributes:
        above: A value above this is over the limit.
        below: A value below this is over the limit.
    """

    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give either above or below")
        return self

    @property
    def threshold(self) -> float:
        """The threshold's value."""
        return self.below if self.above is None else self.above  # type: ignore[return-value]

    def is_exceeded_by(self, value: float) -> bool:
        """Return whether a value is over the limit."""
        return value < self.threshold if self.above is None else value > self.threshold


class Rule(Limit):
    """The rule of a signal: over the limit in `windows` of the last `of` windows.

    Attributes:
        windows: Minimum number of windows over the limit, including the latest.
        of: Number of latest windows to consider.
        at_once: A latest window beyond this threshold is sufficient.
        then: The verdict if the signal is over.
        min_rows: Windows with fewer rows are skipped; None for the default in `Windows`.
        newest_within_hours: Maximum age of the newest judged window; None for the default in
            `Windows`.
        own: Thresholds by subject (feature, table, source), on the same side and without
            `at_once`; null disables the subject.
    """

    windows: Count = 1
    of: Count = 1
    at_once: float | None = None
    then: Action
    min_rows: Count | None = None
    newest_within_hours: Count | None = None
    own: dict[Text, float | None] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _attainable(self) -> Self:
        if self.windows > self.of:
            raise ValueError(f"windows ({self.windows}) must be at most of ({self.of})")
        if self.at_once is not None and not self.is_exceeded_by(self.at_once):
            raise ValueError(f"at_once ({self.at_once}) must be beyond {self.threshold}")
        return self

    def limit_of(self, subject: str) -> Limit | None:
        """Return the limit of a subject; None if it is disabled."""
        threshold = self.own.get(subject, self.threshold)
        if threshold is None:
            return None
        return Limit(above=threshold) if self.below is None else Limit(below=threshold)

    def is_enough_at_once(self, subject: str, value: float) -> bool:
        """Return whether a latest window with this value is sufficient."""
        if self.at_once is None or subject in self.own:
            return False
        return value < self.at_once if self.above is None else value > self.at_once


class NumericalDrift(Rule):
    """Drift of a numerical column against the baseline; statistics as in the drift table."""

    statistic: Literal["ks_test", "population_stability_index", "wasserstein_distance"]


class CategoricalDrift(Rule):
    """Drift of a categorical column against the baseline; statistics as in the drift table."""

    statistic: Literal["js_distance", "tv_distance", "l_infinity_distance"]


class Windows(Section):
    """Which windows are judged.

    Attributes:
        granularity: Calendar days, weeks or months in UTC.
        open_share: A window that has not ended is judged once it has this share of the usual
            number of rows.
        mature_share: Quality windows are skipped while a smaller share of their rows is older than
            the label maturity.
        newest_within_hours: Maximum age of the newest judged window, from its end.
    """

    granularity: Granularity
    min_rows: Count
    open_share: float = Field(gt=0, le=1)
    mature_share: float = Field(gt=0, le=1)
    newest_within_hours: Count


class Signals(Section):
    """The rule of each kind of signal; a kind that is omitted or null is not monitored.

    Attributes:
        nulls: Share of missing values of each feature.
        volume: Rows of a window relative to earlier windows.
        errors: Share of failed requests to the endpoint.
        latency: Latency of the endpoint, in milliseconds.
        skew: Share of requests whose features differ from those of training.
        freshness: Age of each feature table and its online table, relative to `fresh_within`.
        silence: Hours since the newest log row of each source.
    """

    numerical_drift: NumericalDrift | None = None
    categorical_drift: CategoricalDrift | None = None
    score_drift: NumericalDrift | None = None
    quality: dict[Text, Rule] = Field(default_factory=dict)
    nulls: Rule | None = None
    volume: Rule | None = None
    errors: Rule | None = None
    latency: Rule | None = None
    skew: Rule | None = None
    freshness: Rule | None = None
    silence: Rule | None = None


class Keep(Section):
    """Retention in days; the job monitoring deletes older rows.

    Attributes:
        log: Retention of the inference log, labelled or not.
        payload: Retention of logged requests and responses, including rejected ones.
    """

    log: Count
    payload: Count

    @model_validator(mode="after")
    def _log_outlasts_payload(self) -> Self:
        if self.log < self.payload:
            raise ValueError(
                f"log ({self.log}) must be payload ({self.payload}) or more: deleted rows of "
                "requests still in the payload would be logged again"
            )
        return self


class MonitoringPolicy(Section):
    """conf/monitoring.yml.

    Attributes:
        cool_down_days: Minimum days between the start of a training, scheduled or not, and a
            verdict Retrain.
    """

    keep_days: Keep
    windows: Windows
    cool_down_days: int = Field(ge=0)
    signals: Signals

    def rule_of(self, kind: Kind, statistic: str) -> Rule | None:
        """Return the rule of a kind of signal; None if it is not monitored."""
        if kind == "quality":
            return self.signals.quality.get(statistic)
        rule: Rule | None = getattr(self.signals, kind)
        return rule

    @property
    def most_windows(self) -> int:
        """Number of windows to read, including earlier ones to compare volumes with."""
        single = (getattr(self.signals, kind) for kind in Signals.model_fields if kind != "quality")
        rules = [*self.signals.quality.values(), *(rule for rule in single if rule is not None)]
        return 2 * max((rule.of for rule in rules), default=1) + 7

    def require_model_type(self, model_type: ModelType) -> Self:
        """Return the policy if the model type has all its metrics.

        Raises:
            UnusableInputError: The model type lacks a metric.
        """
        for name in self.signals.quality:
            model_type.require_metric(name)
        return self


def load_monitoring(name: str, model_type: ModelType) -> MonitoringPolicy:
    """Return conf/<name>.yml, usually `monitoring`.

    Raises:
        ConfigurationError: There is no such file, or it is invalid, such as a metric that this
            model type does not have.
    """
    return load_configuration(
        name, MonitoringPolicy, "monitoring", lambda policy: policy.require_model_type(model_type)
    )
