"""Variants of the year's log with a fault from the first day on."""

from dataclasses import replace

import numpy as np

from tests.framework.problem.resampled_year import Year


def multiply(year: Year, feature: str, factor: float) -> Year:
    """Return the year with a feature multiplied, as by a wrong unit."""
    return replace(year, rows=year.rows.assign(**{feature: year.rows[feature] * factor}))


def empty(year: Year, feature: str, share: float) -> Year:
    """Return the year with a share of a feature's values missing."""
    gone = np.random.default_rng(0).random(len(year.rows)) < share
    return replace(year, rows=year.rows.assign(**{feature: year.rows[feature].mask(gone)}))


def drop(year: Year, feature: str, category: str) -> Year:
    """Return the year without the rows of a category."""
    stays = (year.rows[feature] != category).to_numpy()
    return replace(
        year, rows=year.rows[stays], scores=year.scores[stays], labels=year.labels[stays]
    )


def turn_late(year: Year, share: float) -> Year:
    """Return the year with a share of the punctual flights changed to late."""
    late = np.random.default_rng(0).random(year.labels.size) < share
    return replace(year, labels=np.where(late, 1.0, year.labels))


def sharpen(year: Year, factor: float) -> Year:
    """Return the year with the log odds of all scores multiplied."""
    odds = factor * np.log(year.scores / (1 - year.scores))
    return replace(year, scores=1 / (1 + np.exp(-odds)))


def lose_late(year: Year, share: float) -> Year:
    """Return the year with a share of the late flights changed to punctual."""
    lost = np.random.default_rng(0).random(year.labels.size) < share
    return replace(year, labels=np.where(lost, 0.0, year.labels))


def scale(year: Year, factor: float) -> Year:
    """Return the year with all scores multiplied."""
    return replace(year, scores=np.clip(year.scores * factor, 0, 1))


def shuffle(year: Year, share: float) -> Year:
    """Return the year with a share of the scores shuffled between rows."""
    random = np.random.default_rng(0)
    moved = np.flatnonzero(random.random(year.scores.size) < share)
    scores = year.scores.copy()
    scores[moved] = scores[random.permutation(moved)]
    return replace(year, scores=scores)
