"""The file that sets whether approval is required."""

import pytest
from pydantic import ValidationError

from flight_delays.config.promotion import Promotion, load_promotion

REQUIRED = Promotion(approval="required", exempt_targets=["dev", "test"])


def test_project_starts_without_approvals() -> None:
    assert load_promotion() == Promotion(approval="none", exempt_targets=["dev", "test", "staging"])


@pytest.mark.parametrize("target", ["staging", "prod", "new", "", "DEV"])
def test_target_that_is_not_exempt_requires_an_approval(target: str) -> None:
    assert REQUIRED.requires_approval(target)
    assert not load_promotion().requires_approval(target)


@pytest.mark.parametrize("target", ["dev", "test"])
def test_exempt_target_requires_none(target: str) -> None:
    assert not REQUIRED.requires_approval(target)


@pytest.mark.parametrize(
    "change",
    [{"approval": "maybe"}, {"approval": None}, {"exempt_targets": "dev"}, {"approve": "none"}],
)
def test_what_is_not_allowed_is_refused(change: dict[str, object]) -> None:
    sound = {"approval": "none", "exempt_targets": []}
    Promotion.model_validate(sound)
    with pytest.raises(ValidationError):
        Promotion.model_validate({**sound, **change})
