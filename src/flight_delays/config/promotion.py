"""conf/promotion.yml: whether a person approves a version before it becomes the Champion."""

from typing import Literal

from .loading import Section, load_configuration


class Promotion(Section):
    """conf/promotion.yml.

    Attributes:
        approval: Whether a version that the gate would promote needs an approval, too.
        exempt_targets: Targets of the bundle in which it needs none.
    """

    approval: Literal["none", "required"]
    exempt_targets: list[str]

    def requires_approval(self, target: str) -> bool:
        """Tell whether a version needs an approval in a target; where that is not named, too."""
        return self.approval == "required" and target not in self.exempt_targets


def load_promotion() -> Promotion:
    """Return conf/promotion.yml."""
    return load_configuration("promotion", Promotion)
