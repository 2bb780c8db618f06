"""conf/monitoring.yml: what is watched of a model in use, and from when on something is done."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from ..errors import UnusableInputError
from ..evaluation.model_types import ModelType
from .loading import ConfigurationError, Count, Section, load_configuration

Text = Annotated[str, Field(min_length=1)]
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
    """From where on a window counts as over: one of the two is given.

    Attributes:
        above: A value above it is over.
        below: A value below it is over.
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
        """The figure itself."""
        return self.below if self.above is None else self.above  # type: ignore[return-value]

    def is_exceeded_by(self, value: float) -> bool:
        """Tell whether a value lies on the wrong side."""
        return value < self.threshold if self.above is None else value > self.threshold


class Rule(Limit):
    """When a signal is over its threshold, and what is done then.

    Attributes:
        windows: How many of the last windows must be over, the latest among them.
        of: How many windows are the last ones.
        at_once: A latest window beyond this is enough by itself.
        then: The verdict where it is over.
        min_rows: Windows with fewer rows are skipped; None for the general figure.
        newest_within_hours: How long ago the newest judged window may have ended; None for the
            general limit.
        own: Thresholds of single subjects (a feature, a table, a source), on the same side and
            without `at_once`; null switches one off.
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
        """Return the limit of a subject; None where it is switched off."""
        threshold = self.own.get(subject, self.threshold)
        if threshold is None:
            return None
        return Limit(above=threshold) if self.below is None else Limit(below=threshold)

    def is_enough_at_once(self, subject: str, value: float) -> bool:
        """Tell whether a latest window with this value is enough by itself."""
        if self.at_once is None or subject in self.own:
            return False
        return value < self.at_once if self.above is None else value > self.at_once


class NumericalDrift(Rule):
    """Of a number against the baseline; statistics are named as in the drift table."""

    statistic: Literal["ks_test", "population_stability_index", "wasserstein_distance"]


class CategoricalDrift(Rule):
    """Of a category against the baseline; statistics are named as in the drift table."""

    statistic: Literal["js_distance", "tv_distance", "l_infinity_distance"]


class Windows(Section):
    """Which windows are judged.

    Attributes:
        granularity: Calendar days, weeks or months in UTC.
        min_rows: Windows with fewer rows are skipped.
        open_share: A window that is not over is judged once it has this share of the rows that
            windows usually have.
        mature_share: Windows of quality are skipped where a smaller share of their rows was
            decided long enough ago for its label to be known.
        newest_within_hours: How long ago the newest judged window may have ended.
    """

    granularity: Granularity
    min_rows: Count
    open_share: float = Field(gt=0, le=1)
    mature_share: float = Field(gt=0, le=1)
    newest_within_hours: Count


class Signals(Section):
    """The rule of each kind of signal; a kind that is left out or null is not watched.

    Attributes:
        numerical_drift: Of each numerical feature.
        categorical_drift: Of each categorical feature.
        score_drift: Of the score.
        quality: Of metrics of the model type, by name.
        nulls: Share of missing values of each feature.
        volume: Rows of a window against its predecessors.
        errors: Share of requests to the endpoint that failed.
        latency: Of the endpoint, in milliseconds.
        skew: Share of requests with other features than training would use.
        freshness: Age of each feature table, and of its online table, against what its problem
            allows.
        silence: Hours since the newest row of the log, of each source.
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
    """For how many days rows are kept; the job monitoring deletes older ones.

    Attributes:
        log: Of the inference log, labelled or not.
        payload: Requests and answers as they were logged, and those kept aside.
    """

    log: Count
    payload: Count

    @model_validator(mode="after")
    def _log_outlasts_payload(self) -> Self:
        if self.log < self.payload:
            raise ValueError(
                f"log ({self.log}) must be payload ({self.payload}) or more: of requests that are "
                "still there, rows would come into the log again"
            )
        return self


class MonitoringPolicy(Section):
    """conf/monitoring.yml.

    Attributes:
        keep_days: How long what was predicted is kept.
        windows: Which windows are judged.
        cool_down_days: How long after a training began, scheduled ones too, none is asked for.
        signals: What is watched.
    """

    keep_days: Keep
    windows: Windows
    cool_down_days: int = Field(ge=0)
    signals: Signals

    def rule_of(self, kind: Kind, statistic: str) -> Rule | None:
        """Return the rule of a kind of signal; None where it is not watched."""
        if kind == "quality":
            return self.signals.quality.get(statistic)
        rule: Rule | None = getattr(self.signals, kind)
        return rule

    @property
    def most_windows(self) -> int:
        """How many windows have to be read, with as many before them to compare volumes with."""
        single = (getattr(self.signals, kind) for kind in Signals.model_fields if kind != "quality")
        rules = [*self.signals.quality.values(), *(rule for rule in single if rule is not None)]
        return 2 * max((rule.of for rule in rules), default=1) + 7

    def require_model_type(self, model_type: ModelType) -> Self:
        """Return the policy if a model of this type has the metrics that it names.

        Raises:
            UnusableInputError: It has not.
        """
        for name in self.signals.quality:
            model_type.require_metric(name)
        return self


def load_monitoring(name: str, model_type: ModelType) -> MonitoringPolicy:
    """Return conf/<name>.yml, usually `monitoring`.

    Raises:
        ConfigurationError: There is no such file, or it says what is not allowed, such as a metric
            that this model type does not have.
    """
    try:
        policy = load_configuration(name, MonitoringPolicy, "monitoring")
        return policy.require_model_type(model_type)
    except UnusableInputError as error:
        raise ConfigurationError(f"{name}.yml", f"{error}", "Then run again.") from error
