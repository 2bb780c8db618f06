"""What a challenger's gain must be: at least how much, and at most."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..config.policy import ComparisonPolicy
from ..evaluation.comparison import Comparison
from .checks import is_figure
from .model_version import ModelVersion

Rule: TypeAlias = Literal["superiority", "non-inferiority"]

LOSS_TAG = "validation_loss"
HEURISTIC_LOSS_TAG = "validation_heuristic_loss"


@dataclass(frozen=True)
class Requirement:
    """What the lower bound of a gain must exceed, and by which rule.

    Attributes:
        rule: `superiority`, or `non-inferiority` where only later rows were learned from.
        bound: What the lower bound must exceed.
    """

    rule: Rule
    bound: float


@dataclass(frozen=True, kw_only=True)
class MeanLosses:
    """Mean losses of a model and of the heuristic baseline on the same rows.

    Attributes:
        loss: Name of the loss.
        model: That of the model.
        heuristic: That of the heuristic baseline.
    """

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
        """How much lower the model's loss is."""
        return self.heuristic - self.model


def read_losses(version: ModelVersion, loss: str) -> MeanLosses | None:
    """Return the mean losses at a version's validation; None where this loss is not recorded."""
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
    """Return what the lower bound of the gain must exceed.

    A model that was trained by the same code, hyperparameters and policy on later rows need not be
    better, only not worse by the margin: one more week improves a model by less than a holdout can
    detect, so by superiority the Champion would hardly ever be replaced. Where one of the three
    has changed, the model has to be better.
    """
    if champion is None:
        return Requirement("superiority", policy.first_min_gain)
    digest, until = challenger.training_digest, challenger.learned_until
    same = digest is not None and digest == champion.training_digest
    if same and until and champion.learned_until and until > champion.learned_until:
        return Requirement("non-inferiority", -policy.margin)
    return Requirement("superiority", policy.min_gain)


def find_excess(comparison: Comparison, champion: ModelVersion, now: MeanLosses | None) -> float:
    """Return by how much, at least, a challenger is better than a sound one would be.

    It is the lower bound of the gain: what may be chance is not too good. It is no more than the
    difference to the Champion at its own validation, so that a Champion that has grown worse does
    not make a good challenger suspect. Months differ in how hard they are, so for that difference
    each is taken against the heuristic baseline of its own rows. Where the losses of that time are
    not known, the lower bound alone counts.

    Args:
        comparison: Challenger against Champion.
        champion: The present Champion.
        now: Mean losses of the challenger and the baseline on the rows of the comparison.
    """
    then = read_losses(champion, comparison.loss)
    if then is None or now is None or not is_figure(now.lead) or now.loss != then.loss:
        return comparison.low
    return min(comparison.low, now.lead - then.lead)
