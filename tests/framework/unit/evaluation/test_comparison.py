"""The comparison is paired and symmetric, and its interval has the nominal coverage."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from flight_delays.errors import UnusableInputError
from flight_delays.evaluation.comparison import Comparison, average_blocks, compare
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, regression

Floats = NDArray[np.float64]


def log_losses(labels: Floats, predictions: Floats) -> Floats:
    return BINARY_CLASSIFICATION.losses["log_loss"].of(labels, predictions)


def draw(rows: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Sample labels, and predictions of a better and a worse model."""
    random = np.random.default_rng(seed)
    chance = random.beta(1, 3, rows)
    labels = (random.random(rows) < chance).astype(np.float64)
    return labels, 0.9 * chance + 0.03, 0.6 * chance + 0.1


def run(
    labels: Floats,
    challenger: Floats,
    incumbent: Floats,
    blocks: Floats | None = None,
    confidence: float = 0.95,
) -> Comparison:
    return compare(
        labels,
        challenger,
        incumbent,
        model_type=BINARY_CLASSIFICATION,
        loss="log_loss",
        blocks=np.arange(labels.size) if blocks is None else blocks,
        min_blocks=14,
        confidence=confidence,
    )


def test_the_gain_is_what_the_challenger_loses_less() -> None:
    result = run(*draw(20_000, seed=1))
    assert result.gain == pytest.approx(result.incumbent_loss - result.challenger_loss)
    assert result.challenger_loss < result.incumbent_loss
    assert 0 < result.low < result.gain < result.high
    assert (result.rows, result.confidence) == (20_000, 0.95)
    assert not result.identical


def test_interval_is_that_of_the_ratio_of_sums_and_rows_of_days() -> None:
    """Recompute it from daily sums with the textbook formula for the error of a ratio."""
    labels, better, worse = draw(5000, seed=2)
    days = np.random.default_rng(3).integers(20, size=5000).astype(np.float64)
    gains = log_losses(labels, worse) - log_losses(labels, better)
    by_day = pd.DataFrame({"day": days, "gain": gains}).groupby("day")["gain"].agg(["sum", "size"])
    ratio = by_day["sum"].sum() / by_day["size"].sum()
    residuals = by_day["sum"] - ratio * by_day["size"]
    # The residuals sum to 0, so their variance around 0 has one degree of freedom less.
    error = np.sqrt(len(by_day) * residuals.var(ddof=1)) / by_day["size"].sum()
    low, high = stats.t(df=19, loc=ratio, scale=error).interval(0.95)
    result = run(labels, better, worse, days)
    assert (result.gain, result.low, result.high) == pytest.approx((ratio, low, high), rel=1e-9)
    assert (result.blocks, result.wins) == (20, (by_day["sum"] > 0).sum())


def test_days_of_one_row_give_the_t_interval_of_the_mean() -> None:
    labels, better, worse = draw(40, seed=2)
    gains = log_losses(labels, worse) - log_losses(labels, better)
    low, high = stats.t(39, gains.mean(), stats.sem(gains)).interval(0.8)
    result = run(labels, better, worse, confidence=0.8)
    assert (result.low, result.high) == pytest.approx((low, high), rel=1e-9)


def test_the_interval_covers_the_true_gain_about_as_often_as_it_says() -> None:
    labels, better, worse = draw(1_000_000, seed=99)
    true_gain = float((log_losses(labels, worse) - log_losses(labels, better)).mean())
    results = [run(*draw(500, seed=seed)) for seed in range(200)]
    covered = sum(result.low <= true_gain <= result.high for result in results)
    # 190 expected of 200; a correct interval is outside 180 to 198 once in many thousand runs
    assert 180 <= covered <= 198


def test_a_challenger_that_is_no_better_seldom_seems_to_be() -> None:
    def promoted(seed: int) -> bool:
        labels, better, _ = draw(500, seed)
        noise = np.random.default_rng(seed + 1000).normal(0, 0.02, (2, 500))
        first, second = np.clip(better + noise, 0.001, 0.999)
        return run(labels, first, second).low > 0

    assert sum(promoted(seed) for seed in range(200)) <= 12


def draw_days(days: int, seed: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Sample labels of 50 rows a day, correlated within days, and two equal predictions."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), 50).astype(np.float64)
    chance = np.repeat(random.beta(2, 4, days), 50)
    labels = (random.random(day.size) < chance).astype(np.float64)
    guess = np.repeat(random.uniform(0.2, 0.5, (2, days)), 50, axis=1)
    return labels, guess[0], guess[1], day


def test_rows_that_err_together_count_as_one_block() -> None:
    def seems_better(seed: int, *, by_day: bool) -> bool:
        labels, first, second, day = draw_days(30, seed)
        result = run(labels, first, second, day if by_day else None)
        assert result.blocks == (30 if by_day else 1500)
        return result.low > 0

    row_by_row = sum(seems_better(seed, by_day=False) for seed in range(100))
    day_by_day = sum(seems_better(seed, by_day=True) for seed in range(100))
    # neither side is better: 2.5 false positives of 100 are expected
    assert day_by_day <= 9
    assert row_by_row >= 15


def test_few_days_cover_as_often_as_they_say() -> None:
    """On 14 days, percentile bounds would pass 5 of 100 equal models instead of 2.5."""

    def seems_better(seed: int) -> bool:
        labels, first, second, day = draw_days(14, seed)
        return run(labels, first, second, day).low > 0

    assert 8 <= sum(seems_better(seed) for seed in range(1000)) <= 38


def test_few_blocks_or_blocks_of_other_rows_are_refused() -> None:
    labels, first, second, day = draw_days(13, seed=0)
    for blocks in (day, np.arange(20.0)):
        with pytest.raises(UnusableInputError, match=r"blocks: .* allowed: 14 blocks or more"):
            run(labels, first, second, blocks)


@pytest.mark.parametrize("seed", range(5))
def test_swapped_sides_mirror_gain_and_bounds(seed: int) -> None:
    labels, first, second = draw(1000, seed)
    there, back = run(labels, first, second), run(labels, second, first)
    assert back.gain == -there.gain
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), rel=1e-12)
    assert (back.challenger_loss, back.incumbent_loss) == (
        there.incumbent_loss,
        there.challenger_loss,
    )


def test_equal_predictions_gain_exactly_nothing() -> None:
    labels, predictions, _ = draw(1000, seed=4)
    result = run(labels, predictions, predictions)
    assert (result.gain, result.low, result.high, result.wins) == (0, 0, 0, 0)
    assert result.identical


def test_more_confidence_means_wider_bounds() -> None:
    sample = draw(1000, seed=4)
    narrow, wide = (run(*sample, confidence=confidence) for confidence in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("rows", "confidence", "message"),
    [
        (29, 0.95, "labels: got 29 rows"),
        (100, 0.0, "confidence: got 0.0"),
        (100, 1.0, "confidence"),
        (100, 95, "confidence"),
        (100, float("nan"), "confidence"),
    ],
)
def test_what_gives_no_honest_interval_is_refused(
    rows: int, confidence: float, message: str
) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        run(*draw(rows, seed=0), confidence=confidence)


def test_chance_of_a_mean_is_the_one_sided_test() -> None:
    gains = np.random.default_rng(5).normal(-0.5, 1, 30)
    mean = average_blocks(gains, np.arange(30), 14)
    for bound in (-0.5, 0.0):
        expected = stats.ttest_1samp(gains, bound, alternative="less").pvalue
        assert mean.chance_below(bound) == pytest.approx(expected, rel=1e-9)
    constant = average_blocks(np.full(30, -1.0), np.arange(30), 14)
    assert (constant.chance_below(0.0), constant.chance_below(-2.0)) == (0, 1)


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
        blocks=np.arange(100), min_blocks=14, confidence=0.95,
    )  # fmt: skip
    assert (result.loss, result.unit) == (loss, unit)
    assert (result.challenger_loss, result.incumbent_loss) == (challenger_loss, incumbent_loss)
    assert result.gain == result.low == result.high == incumbent_loss - challenger_loss
    assert result.wins == 100


def test_the_loss_asked_for_can_decide_who_is_better() -> None:
    labels = np.zeros(100)
    often_a_little, seldom_a_lot = np.ones(100), np.where(np.arange(100) < 10, 5.0, 0.0)
    gains = [
        compare(
            labels, often_a_little, seldom_a_lot, model_type=regression("EUR"), loss=loss,
        blocks=np.arange(100), min_blocks=14, confidence=0.95,
        ).gain
        for loss in ("squared_error", "absolute_error")
    ]  # fmt: skip
    assert gains == [1.5, -0.5]


def test_a_loss_that_the_model_type_does_not_have_is_refused_with_those_there_are() -> None:
    message = r"loss of regression: got 'log_loss'; allowed: squared_error, absolute_error\."
    with pytest.raises(UnusableInputError, match=message):
        compare(
            *draw(100, seed=0), model_type=regression("EUR"), loss="log_loss",
        blocks=np.arange(100), min_blocks=14, confidence=0.95,
        )  # fmt: skip
