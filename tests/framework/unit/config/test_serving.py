"""The file with the endpoint's settings."""

import pytest
from pydantic import ValidationError

from flight_delays.config.serving import Serving

SOUND = {
    "endpoint": True,
    "workload_size": "Small",
    "scale_to_zero": True,
    "latency_limit_ms": 1000,
}
LOAD = {"clients": 4, "seconds": 20, "p95_limit_ms": 1000, "errors_limit": 0.01}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"endpoint": "yes"}, "endpoint"),
        ({"endpoint": None}, "endpoint"),
        ({"workload_size": "Tiny"}, "'Small', 'Medium' or 'Large'"),
        ({"scale_to_zero": 1}, "scale_to_zero"),
        ({"latency_limit_ms": 0}, "latency_limit_ms"),
        ({"size": "Small"}, r"size\s+Extra inputs"),
        ({"load_test": {**LOAD, "clients": 0}}, "load_test.clients"),
        ({"load_test": {**LOAD, "seconds": 601}}, "load_test.seconds"),
        ({"load_test": {**LOAD, "p95_limit_ms": 0}}, "load_test.p95_limit_ms"),
        ({"load_test": {**LOAD, "errors_limit": 1}}, "load_test.errors_limit"),
        ({"load_test": {"clients": 4}}, "load_test.seconds"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(change: dict[str, object], message: str) -> None:
    Serving.model_validate(SOUND)
    with pytest.raises(ValidationError, match=message):
        Serving.model_validate({**SOUND, **change})


def test_the_load_test_may_be_left_out() -> None:
    assert Serving.model_validate({**SOUND, "load_test": LOAD}).load_test is not None
    assert Serving.model_validate({**SOUND, "load_test": None}).load_test is None
    assert Serving.model_validate(SOUND).load_test is None
