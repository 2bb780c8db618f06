"""What may be asked of the endpoint, as a reviewed file."""

import pytest
from pydantic import ValidationError

from flight_delays.config.serving import Serving

SOUND = {
    "endpoint": True,
    "workload_size": "Small",
    "scale_to_zero": True,
    "latency_limit_ms": 1000,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"endpoint": "yes"}, "endpoint"),
        ({"endpoint": None}, "endpoint"),
        ({"workload_size": "Tiny"}, "'Small', 'Medium' or 'Large'"),
        ({"scale_to_zero": 1}, "scale_to_zero"),
        ({"latency_limit_ms": 0}, "latency_limit_ms"),
        ({"size": "Small"}, r"size\s+Extra inputs"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(change: dict[str, object], message: str) -> None:
    Serving.model_validate(SOUND)
    with pytest.raises(ValidationError, match=message):
        Serving.model_validate({**SOUND, **change})
