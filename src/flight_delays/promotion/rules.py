"""Lower and upper limits of a challenger's gain."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..config.policy import ComparisonPolicy
from ..config.rollout import Rule
from ..evaluation.comparison import Comparison
from .checks import is_figure
from .model_version import ModelVersion

LOSS_TAG = "validation_loss"
HEURISTIC_LOSS_TAG = "validation_heuristic_loss"


@dataclass(frozen=True)
class Requirement:
    """The limit that the lower bound of a gain must exceed.

    Attributes:
        rule: `superiority`, or `non-inferiority` for a retrained Champion.
    """

    rule: Rule
    bound: float


@dataclass(frozen=True, kw_only=True)
class MeanLosses:
    """Mean losses of a model and of the heuristic baseline on the same rows."""

    loss: str
    model: float
    heuristic: float

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of the version that was validated on these rows."""
        return {
            LOSS_TAG: f"{self.loss} {self.model!r}",
            HEURISTIC_LOSS_TAG: f"{self.loss} {self.heuristic!r}",
        }

    @property
    def lead(self) -> float:
        """Mean loss of the baseline minus that of the model."""
        return self.heuristic - self.model


def read_losses(version: ModelVersion, loss: str) -> MeanLosses | None:
    """Return the mean losses at a version's validation; None if this loss is not recorded."""
    figures = []
    for tag in (LOSS_TAG, HEURISTIC_LOSS_TAG):
        name, _, figure = version.tags.get(tag, "").partition(" ")
        try:
            figures.append(float(figure) if name == loss else None)
        except ValueError:
            figures.append(None)
    model, heuristic = figures
    if not is_figure(model) or not is_figure(heuristic):
        return None
    return MeanLosses(loss=loss, model=model, heuristic=heuristic)


def require_gain(
    challenger: ModelVersion, champion: ModelVersion | None, policy: ComparisonPolicy
) -> Requirement:
    """Return the limit that the lower bound of the gain must exceed.

    For a model trained with the same code, hyperparameters and policy on later rows,
    non-inferiority is sufficient: one more week improves a model by less than a holdout can detect,
    so superiority would hardly ever replace the Champion. If one of the three has changed, the
    model must be superior.
    """
    if champion is None:
        return Requirement("superiority", policy.first_min_gain)
    digest, until = challenger.training_digest, challenger.learned_until
    same = digest is not None and digest == champion.training_digest
    if same and until and champion.learned_until and until > champion.learned_until:
        return Requirement("non-inferiority", -policy.margin)
    return Requirement("superiority", policy.min_gain)


def find_excess(comparison: Comparison, champion: ModelVersion, now: MeanLosses | None) -> float:
    """Return the gain to compare with `max_gain`.

    It is the smaller of two: the lower bound of the gain, which excludes chance; and the gain over
    the Champion at its own validation, so that a degraded Champion does not make a good challenger
    suspicious. The second is relative to the heuristic baseline on the respective rows, because
    months differ in difficulty. If the losses of the Champion's validation are not known, the lower
    bound is returned.

    `now` are losses on the rows of the comparison.
    """
    then = read_losses(champion, comparison.loss)
    if then is None or now is None or not is_figure(now.lead) or now.loss != then.loss:
        return comparison.low
    return min(comparison.low, now.lead - then.lead)
