"""Losses of a validation are read from the version's tags, completely or not at all."""

import pytest

from flight_delays.promotion.model_version import ModelVersion
from flight_delays.promotion.rules import HEURISTIC_LOSS_TAG, LOSS_TAG, MeanLosses, read_losses

LOSSES = MeanLosses(loss="log_loss", model=0.1 + 0.2, heuristic=1 / 3)


def make_version(**tags: str) -> ModelVersion:
    return ModelVersion(
        model="dev.shop.model", version=3, aliases=frozenset(), tags={**LOSSES.tags, **tags}
    )


def test_losses_are_read_back_as_they_were_recorded() -> None:
    assert read_losses(make_version(), "log_loss") == LOSSES
    assert LOSSES.lead == pytest.approx(1 / 3 - 0.3)


@pytest.mark.parametrize("tag", [LOSS_TAG, HEURISTIC_LOSS_TAG])
@pytest.mark.parametrize(
    "value", ["", "0.3", "log_loss", "log_loss nan", "log_loss inf", "log_loss x", "brier 0.3"]
)
def test_a_loss_that_is_missing_unreadable_or_another_is_not_known(tag: str, value: str) -> None:
    assert read_losses(make_version(**{tag: value}), "log_loss") is None


def test_losses_of_another_name_are_not_known() -> None:
    assert read_losses(make_version(), "squared_error") is None
