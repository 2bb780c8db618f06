"""The comparison is paired, fair to both sides, and as sure as it says."""

import numpy as np
import pytest
from numpy.typing import NDArray

from flight_delays.errors import UnusableInputError
from flight_delays.evaluation.bootstrap import Comparison, compare
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, regression

Floats = NDArray[np.float64]


def log_losses(labels: Floats, predictions: Floats) -> Floats:
    return BINARY_CLASSIFICATION.losses["log_loss"].of(labels, predictions)


def draw(rows: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Draw labels, and predictions of a better and a worse model of them."""
    random = np.random.default_rng(seed)
    chance = random.beta(1, 3, rows)
    labels = (random.random(rows) < chance).astype(np.float64)
    return labels, 0.9 * chance + 0.03, 0.6 * chance + 0.1


def run(labels: Floats, challenger: Floats, incumbent: Floats, seed: int = 0) -> Comparison:
    return compare(
        labels,
        challenger,
        incumbent,
        model_type=BINARY_CLASSIFICATION,
        loss="log_loss",
        resamples=400,
        confidence=0.95,
        seed=seed,
    )


def test_the_gain_is_what_the_challenger_loses_less() -> None:
    result = run(*draw(20_000, seed=1))
    assert result.gain == pytest.approx(result.incumbent_loss - result.challenger_loss)
    assert result.challenger_loss < result.incumbent_loss
    assert 0 < result.low < result.gain < result.high
    assert (result.rows, result.resamples, result.confidence) == (20_000, 400, 0.95)


def test_the_bounds_agree_with_the_normal_approximation() -> None:
    labels, better, worse = draw(20_000, seed=2)
    result = compare(
        labels,
        better,
        worse,
        model_type=BINARY_CLASSIFICATION,
        loss="log_loss",
        resamples=2000,
        confidence=0.5,
        seed=0,
    )
    gains = log_losses(labels, worse) - log_losses(labels, better)
    error = gains.std() / np.sqrt(20_000)
    assert result.low == pytest.approx(result.gain - 0.6745 * error, abs=0.1 * error)
    assert result.high == pytest.approx(result.gain + 0.6745 * error, abs=0.1 * error)


def test_the_interval_covers_the_true_gain_about_as_often_as_it_says() -> None:
    labels, better, worse = draw(1_000_000, seed=99)
    true_gain = float((log_losses(labels, worse) - log_losses(labels, better)).mean())
    results = [run(*draw(500, seed=seed), seed=seed) for seed in range(200)]
    covered = sum(result.low <= true_gain <= result.high for result in results)
    # 190 expected of 200; a sound interval leaves 180 to 198 once in many thousand runs
    assert 180 <= covered <= 198


def test_a_challenger_that_is_no_better_seldom_seems_to_be() -> None:
    def promoted(seed: int) -> bool:
        labels, better, _ = draw(500, seed)
        noise = np.random.default_rng(seed + 1000).normal(0, 0.02, (2, 500))
        first, second = np.clip(better + noise, 0.001, 0.999)
        return run(labels, first, second, seed).low > 0

    assert sum(promoted(seed) for seed in range(200)) <= 12


def draw_days(days: int, seed: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Draw labels of 50 rows a day, late together, and two predictions that are as good."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), 50).astype(np.float64)
    chance = np.repeat(random.beta(2, 4, days), 50)
    labels = (random.random(day.size) < chance).astype(np.float64)
    guess = np.repeat(random.uniform(0.2, 0.5, (2, days)), 50, axis=1)
    return labels, guess[0], guess[1], day


def test_rows_that_err_together_count_as_one_block() -> None:
    def seems_sure(seed: int, *, by_day: bool) -> bool:
        labels, first, second, day = draw_days(30, seed)
        result = compare(
            labels, first, second, model_type=BINARY_CLASSIFICATION, loss="log_loss",
            blocks=day if by_day else None, resamples=200, confidence=0.95, seed=seed,
        )  # fmt: skip
        assert result.blocks == (30 if by_day else 1500)
        return result.low > 0

    row_by_row = sum(seems_sure(seed, by_day=False) for seed in range(100))
    day_by_day = sum(seems_sure(seed, by_day=True) for seed in range(100))
    # neither side is better: 2.5 of 100 are expected to seem so
    assert day_by_day <= 9
    assert row_by_row >= 15


def test_few_blocks_or_blocks_of_other_rows_are_refused() -> None:
    labels, first, second, day = draw_days(4, seed=0)
    for blocks in (day, np.arange(10)):
        with pytest.raises(UnusableInputError, match="blocks"):
            compare(
                labels,
                first,
                second,
                model_type=BINARY_CLASSIFICATION,
                loss="log_loss",
                blocks=blocks,
                resamples=100,
                confidence=0.95,
                seed=0,
            )


@pytest.mark.parametrize("seed", range(5))
def test_swapped_sides_mirror_gain_and_bounds(seed: int) -> None:
    labels, first, second = draw(1000, seed)
    there, back = run(labels, first, second, seed), run(labels, second, first, seed)
    assert back.gain == -there.gain
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), rel=1e-12)
    assert (back.challenger_loss, back.incumbent_loss) == (
        there.incumbent_loss,
        there.challenger_loss,
    )


def test_equal_predictions_gain_exactly_nothing() -> None:
    labels, predictions, _ = draw(1000, seed=4)
    result = run(labels, predictions, predictions)
    assert (result.gain, result.low, result.high) == (0, 0, 0)


def test_the_seed_alone_decides_the_bounds() -> None:
    sample = draw(1000, seed=4)
    assert run(*sample, seed=7) == run(*sample, seed=7)
    assert run(*sample, seed=7).low != run(*sample, seed=8).low


def test_more_confidence_means_wider_bounds() -> None:
    sample = draw(1000, seed=4)
    narrow, wide = (
        compare(
            *sample,
            model_type=BINARY_CLASSIFICATION,
            loss="log_loss",
            resamples=1000,
            confidence=confidence,
            seed=0,
        )
        for confidence in (0.8, 0.99)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


def test_many_rows_are_drawn_in_parts_that_use_each_resample() -> None:
    labels, better, worse = draw(300_000, seed=6)
    result = compare(
        labels,
        better,
        worse,
        model_type=BINARY_CLASSIFICATION,
        loss="log_loss",
        resamples=100,
        confidence=0.95,
        seed=0,
    )
    assert result.low < result.gain < result.high
    assert result.high - result.low < 0.02


@pytest.mark.parametrize(
    ("rows", "resamples", "confidence", "message"),
    [
        (29, 1000, 0.95, "labels: got 29 rows"),
        (100, 99, 0.95, "resamples and confidence: got 99"),
        (100, 0, 0.95, "resamples and confidence: got 0"),
        (100, 1000, 0.0, "resamples and confidence: got 1000 and 0.0"),
        (100, 1000, 1.0, "resamples and confidence"),
        (100, 1000, 95, "resamples and confidence"),
        (100, 1000, float("nan"), "resamples and confidence"),
    ],
)
def test_what_gives_no_honest_interval_is_refused(
    rows: int, resamples: int, confidence: float, message: str
) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        compare(
            *draw(rows, seed=0),
            model_type=BINARY_CLASSIFICATION,
            loss="log_loss",
            resamples=resamples,
            confidence=confidence,
            seed=0,
        )


@pytest.mark.parametrize("side", [1, 2])
def test_a_prediction_that_is_missing_is_refused_on_either_side(side: int) -> None:
    sample = draw(100, seed=0)
    sample[side][5] = np.nan
    with pytest.raises(UnusableInputError, match="1 of 100 that are not, the first at row 5"):
        run(*sample)


@pytest.mark.parametrize(
    ("loss", "unit", "challenger_loss", "incumbent_loss"),
    [("squared_error", "minutes²", 4.0, 9.0), ("absolute_error", "minutes", 2.0, 3.0)],
)
def test_numbers_are_compared_by_the_loss_that_is_asked_for(
    loss: str, unit: str, challenger_loss: float, incumbent_loss: float
) -> None:
    labels = np.arange(100.0)
    result = compare(
        labels, labels + 2, labels - 3, model_type=regression("minutes"), loss=loss,
        resamples=100, confidence=0.95, seed=0,
    )  # fmt: skip
    assert (result.loss, result.unit) == (loss, unit)
    assert (result.challenger_loss, result.incumbent_loss) == (challenger_loss, incumbent_loss)
    assert result.gain == result.low == result.high == incumbent_loss - challenger_loss


def test_the_loss_asked_for_can_decide_who_is_better() -> None:
    labels = np.zeros(100)
    often_a_little, seldom_a_lot = np.ones(100), np.where(np.arange(100) < 10, 5.0, 0.0)
    gains = [
        compare(
            labels, often_a_little, seldom_a_lot, model_type=regression("EUR"), loss=loss,
            resamples=100, confidence=0.95, seed=0,
        ).gain
        for loss in ("squared_error", "absolute_error")
    ]  # fmt: skip
    assert gains == [1.5, -0.5]


def test_a_loss_that_the_model_type_does_not_have_is_refused_with_those_there_are() -> None:
    message = r"loss of regression: got 'log_loss'; allowed: squared_error, absolute_error\."
    with pytest.raises(UnusableInputError, match=message):
        compare(
            *draw(100, seed=0), model_type=regression("EUR"), loss="log_loss",
            resamples=100, confidence=0.95, seed=0,
        )  # fmt: skip
