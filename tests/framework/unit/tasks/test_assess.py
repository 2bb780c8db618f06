"""The period for which a model in use is assessed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from flight_delays.config.monitoring import load_monitoring
from flight_delays.problem import PROBLEM
from flight_delays.tasks import assess

NOW = datetime(2013, 11, 30, 12, tzinfo=UTC)


def test_as_many_windows_are_read_as_are_judged_however_late_labels_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = load_monitoring("monitoring", PROBLEM.model_type)
    slow = replace(PROBLEM, label_maturity=timedelta(days=200))
    monkeypatch.setattr(assess, "PROBLEM", slow)
    judged = timedelta(weeks=policy.most_windows)
    assert timedelta(0) <= NOW - assess.find_reach(policy, NOW) - judged - timedelta(days=200)
