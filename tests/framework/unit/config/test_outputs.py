"""The file with the outputs for predictions."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from flight_delays.config.outputs import Outputs, load_outputs

SOUND = {"files": "parquet", "online": True, "lookback_days": 7}


def test_nothing_is_sent_by_default() -> None:
    outputs = load_outputs()
    assert (outputs.files, outputs.online) == ("none", False)
    assert Outputs(files="csv", lookback_days=1).online is False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": "orc"}, "'none', 'parquet' or 'csv'"),
        ({"files": None}, "files"),
        ({"online": "yes"}, "online"),
        ({"lookback_days": 0}, "lookback_days"),
        ({"kafka": "predictions"}, r"kafka\s+Extra inputs"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(change: dict[str, object], message: str) -> None:
    Outputs.model_validate(SOUND)
    with pytest.raises(ValidationError, match=message):
        Outputs.model_validate({**SOUND, **change})


def test_runs_are_sent_from_so_many_days_before_on() -> None:
    sent_from = Outputs.model_validate(SOUND).send_from(datetime(2026, 1, 8, tzinfo=UTC))
    assert sent_from == datetime(2026, 1, 1, tzinfo=UTC)
