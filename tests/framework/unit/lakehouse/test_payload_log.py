import pytest

from flight_delays.lakehouse.payload_log import read_marker, write_marker


def test_a_marker_tells_model_and_version() -> None:
    markers = {write_marker("prod.flights.model", 12) for _ in range(2)}
    assert len(markers) == 2
    assert {read_marker(marker) for marker in markers} == {("prod.flights.model", 12)}


@pytest.mark.parametrize(
    "identifier", [None, "", "mine", "deploy:", "deploy:prod.m:one:x", "x:prod.m:1:y", "deploy:m:1"]
)
def test_requests_of_others_are_no_markers(identifier: str | None) -> None:
    assert read_marker(identifier) is None
