"""For all windows, missing data is never Healthy, and worse data has no milder verdict."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_delays.config.monitoring import MonitoringPolicy
from flight_delays.errors import InstantWithoutZoneError, UnusableInputError
from flight_delays.monitoring.assess import assess
from flight_delays.monitoring.judge import judge
from flight_delays.monitoring.signals import Signal, Window
from flight_delays.monitoring.verdicts import Blind, Healthy, Retrain, Stale, Verdict, Watch

NOW = datetime(2026, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = MonitoringPolicy.model_validate(
    {
        "windows": {
            "granularity": "day",
            "min_rows": 10,
            "open_share": 0.8,
            "mature_share": 0.5,
            "newest_within_hours": 48,
        },
        "keep_days": {"log": 30, "payload": 30},
        "cool_down_days": 3,
        "signals": {
            "numerical_drift": {
                "statistic": "ks_test",
                "above": 0.5,
                "windows": 2,
                "of": 3,
                "at_once": 0.9,
                "then": "watch",
                "own": {"b": 0.7},
            },
            "quality": {"auc": {"below": 0.5, "windows": 1, "of": 2, "then": "retrain"}},
            "volume": {"below": 0.5, "then": "watch"},
            "freshness": {"above": 1.0, "then": "stale"},
            "silence": {"above": 1.0, "then": "blind"},
        },
    }
)
# From good to bad, by signal.
GOOD, BAD = 0, 1
VALUES = {"a": (0.1, 0.8), "b": (0.1, 0.8), "auc": (0.8, 0.2), "rows": (1.0, 0.1), "age": (0.5, 2),
          "silence": (0.5, 2)}  # fmt: skip
EXPECTED = (
    Signal(name="a", kind="numerical_drift", statistic="ks_test", subject="a"),
    Signal(name="b", kind="numerical_drift", statistic="ks_test", subject="b"),
    Signal(name="auc", kind="quality", statistic="auc"),
    Signal(name="rows", kind="volume", statistic="ratio"),
    Signal(name="age", kind="freshness", statistic="computed", subject="t"),
    Signal(name="silence", kind="silence", statistic="hours", subject="batch"),
)
RANKS: tuple[type[Verdict], ...] = (Healthy, Watch, Blind, Retrain, Stale)
sick = st.lists(st.booleans(), min_size=4, max_size=4)
states = st.fixed_dictionaries({each.name: sick for each in EXPECTED})


def build(state: dict[str, list[bool]], rows: int = 100) -> list[Signal]:
    """Return signals of the last four days."""
    return [
        replace(
            each,
            windows=tuple(
                Window(
                    start=NOW + (at - 4) * DAY,
                    end=NOW + (at - 3) * DAY,
                    rows=rows,
                    value=VALUES[each.name][is_bad],
                )
                for at, is_bad in enumerate(state[each.name])
            ),
        )
        for each in EXPECTED
    ]


def decide(signals: list[Signal], active: int = 0, last: datetime | None = None) -> Verdict:
    return assess(
        signals, POLICY, expected=EXPECTED, now=NOW, active_trainings=active, last_training=last
    )


def rank(verdict: Verdict) -> int:
    return RANKS.index(type(verdict))


@given(states, st.sampled_from(EXPECTED), st.integers(0, 3), st.integers(0, 1))
def test_a_window_more_over_never_has_a_milder_verdict(
    state: dict[str, list[bool]], signal: Signal, at: int, active: int
) -> None:
    worse = {name: list(each) for name, each in state.items()}
    worse[signal.name][at] = True
    assert rank(decide(build(worse), active)) >= rank(decide(build(state), active))


@given(
    states,
    st.sampled_from(EXPECTED),
    st.sampled_from([None, float("nan"), float("inf"), float("-inf")]),
    st.integers(0, 3),
)
def test_a_latest_value_that_is_none_is_never_healthy(
    state: dict[str, list[bool]], signal: Signal, value: float | None, active: int
) -> None:
    signals = build(state)
    at = EXPECTED.index(signal)
    windows = signals[at].windows
    signals[at] = replace(signals[at], windows=(*windows[:-1], replace(windows[-1], value=value)))
    verdict = decide(signals, active)
    assert isinstance(verdict, Blind | Retrain | Stale)
    assert {figure.signal for figure in verdict.figures if figure.state == "missing"} == {
        signal.name
    }


@given(states, st.sets(st.sampled_from(EXPECTED), min_size=1))
def test_a_signal_left_out_is_never_healthy(
    state: dict[str, list[bool]], gone: set[Signal]
) -> None:
    names = {each.name for each in gone}
    verdict = decide([each for each in build(state) if each.name not in names])
    assert isinstance(verdict, Blind | Retrain | Stale)
    assert names == {figure.signal for figure in verdict.figures if figure.state == "missing"}


@given(states, st.randoms(use_true_random=False))
def test_the_order_of_signals_and_windows_makes_no_difference(
    state: dict[str, list[bool]], random: object
) -> None:
    signals = build(state)
    shuffled = [replace(each, windows=each.windows[::-1]) for each in signals]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decide(shuffled) == decide(signals)


@given(states, st.integers(0, 2), st.none() | st.timedeltas(-5 * DAY, 5 * DAY))
def test_a_training_begins_only_where_none_runs_or_has_just_begun(
    state: dict[str, list[bool]], active: int, ago: timedelta | None
) -> None:
    last = None if ago is None else NOW - ago
    verdict = decide(build(state), active, last)
    if isinstance(verdict, Retrain):
        assert active == 0
        assert ago is None or ago >= 3 * DAY
        assert all(figure.then != "stale" for figure in verdict.figures if figure.state == "over")
    assert "To do: " in verdict.reason or isinstance(verdict, Healthy)
    assert "\n" not in verdict.reason


@pytest.mark.parametrize(
    ("bad", "subject", "state"),
    [
        ([False, False, False, True], "a", "pending"),
        ([False, False, True, True], "a", "over"),
        ([True, False, False, True], "a", "pending"),
        ([False, False, True, False], "a", "within"),
    ],
)
def test_windows_needed_are_counted_back_from_the_latest(
    bad: list[bool], subject: str, state: str
) -> None:
    signal = next(each for each in build({**HEALTHY, subject: bad}) if each.name == subject)
    assert judge(signal, POLICY, now=NOW).state == state


HEALTHY = {each.name: [False] * 4 for each in EXPECTED}


def test_one_window_far_over_is_enough_except_for_a_subject_with_its_own_limit() -> None:
    for name, state in (("a", "over"), ("b", "pending")):
        signal = next(each for each in build(HEALTHY) if each.name == name)
        far = replace(signal.windows[-1], value=0.95)
        found = judge(replace(signal, windows=(*signal.windows[:-1], far)), POLICY, now=NOW)
        assert (name, found.state) == (name, state)


def test_an_open_window_is_judged_once_it_is_as_large_as_usual() -> None:
    for rows, state in ((79, "within"), (81, "pending")):
        windows = list(build(HEALTHY)[0].windows)
        start = NOW - DAY / 2
        last = replace(windows[-1], start=start, end=start + DAY, rows=rows, value=0.8)
        signal = replace(EXPECTED[0], windows=(*windows[:-1], last))
        found = judge(signal, POLICY, now=NOW)
        assert found.state == state
        assert ("not over yet" in found.skipped) == (state == "within")


def test_a_first_window_is_judged_while_it_is_open() -> None:
    window = Window(start=NOW - DAY / 2, end=NOW + DAY / 2, rows=50, value=0.95)
    assert judge(replace(EXPECTED[0], windows=(window,)), POLICY, now=NOW).state == "over"


def test_windows_after_now_are_not_judged() -> None:
    window = Window(start=NOW + DAY, end=NOW + 2 * DAY, rows=50, value=0.1)
    found = judge(replace(EXPECTED[0], windows=(window,)), POLICY, now=NOW)
    assert (found.state, found.skipped) == ("missing", "1 later than now")


def test_mistakes_of_the_caller_are_refused() -> None:
    signals = build(HEALTHY)
    with pytest.raises(UnusableInputError, match="two of one name"):
        decide([*signals, signals[0]])
    with pytest.raises(UnusableInputError, match="got unheard"):
        decide([*signals, replace(signals[0], name="unheard")])
    with pytest.raises(UnusableInputError, match="do not overlap"):
        decide([replace(signals[0], windows=signals[0].windows * 2)])
    with pytest.raises(UnusableInputError, match="what the policy watches"):
        judge(Signal(name="errors", kind="errors", statistic="share"), POLICY, now=NOW)
    with pytest.raises(InstantWithoutZoneError, match="last_training"):
        decide(signals, last=datetime(2026, 3, 1))


def test_where_nothing_is_watched_the_verdict_is_blind() -> None:
    verdict = assess([], POLICY, expected=[], now=NOW, active_trainings=0, last_training=None)
    assert isinstance(verdict, Blind)
