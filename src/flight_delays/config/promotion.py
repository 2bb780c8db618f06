"""conf/promotion.yml: whether promotion needs a manual approval."""

from typing import Literal

from .loading import Section, load_configuration


class Promotion(Section):
    """conf/promotion.yml.

    Attributes:
        approval: Whether a version that passes the gate also needs an approval.
        exempt_targets: Bundle targets that need no approval.
    """

    approval: Literal["none", "required"]
    exempt_targets: list[str]

    def requires_approval(self, target: str) -> bool:
        """Return whether a version needs an approval; only exempt targets need none."""
        return self.approval == "required" and target not in self.exempt_targets


def load_promotion() -> Promotion:
    """Return conf/promotion.yml."""
    return load_configuration("promotion", Promotion)
