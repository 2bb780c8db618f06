"""Probes of a served version that does not answer."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from databricks.sdk.errors import InternalError, TemporarilyUnavailable

from flight_delays.lakehouse import served_version
from flight_delays.lakehouse.served_version import WARM_WITHIN, ServedVersion
from flight_delays.problem import PROBLEM


@pytest.mark.parametrize(
    ("error", "asked"), [(TemporarilyUnavailable("not ready"), 1), (InternalError("broken"), 20)]
)
def test_probes_wait_for_a_version_once_and_ask_one_that_fails_for_each_row(
    monkeypatch: pytest.MonkeyPatch, error: Exception, asked: int
) -> None:
    def do(*_: object, **__: object) -> None:
        raise error

    now = [0.0]

    def wait(seconds: float) -> None:
        now[0] += seconds

    for clock in ("monotonic", "perf_counter"):
        monkeypatch.setattr(served_version, clock, lambda: now[0])
    workspace: Any = SimpleNamespace(api_client=SimpleNamespace(do=do))
    served = ServedVersion(workspace, "e", "c-2", PROBLEM.model_type, "a.b.c", 2, wait)
    found = list(served.probe(pd.DataFrame({"x": range(20)})))
    assert [bool(fault) for _, _, fault in found] == [True] * asked
    assert now[0] < 2 * WARM_WITHIN.total_seconds()
