import pytest

from flight_delays.tasks.parameters import ParameterError
from flight_delays.tasks.teardown import TeardownParameters


def parse(environment: str) -> TeardownParameters:
    return TeardownParameters.parse(
        [
            f"--environment={environment}",
            "--model=dev.a.b",
            "--target=dev.a",
            "--volume=dev.a.outputs",
        ]
    )


@pytest.mark.parametrize("environment", ["dev", "test"])
def test_what_is_temporary_is_torn_down(environment: str) -> None:
    assert parse(environment).environment == environment


@pytest.mark.parametrize("environment", ["staging", "prod", "production", ""])
def test_what_is_kept_is_not(environment: str) -> None:
    with pytest.raises(ParameterError, match="Input should be 'dev' or 'test'"):
        parse(environment)
