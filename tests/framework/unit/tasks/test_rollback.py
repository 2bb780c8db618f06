"""Tags of a manual rollback, without a workspace."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from flight_delays.promotion.decide import REASON_LIMIT
from flight_delays.promotion.model_version import REJECTED_TAG, STATUS_TAG, ModelVersion
from flight_delays.promotion.rollback import PREVIOUS_TAG
from flight_delays.tasks import rollback


def test_rollback_shortens_a_reason_that_is_too_long_for_a_tag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tagged: dict[str, str] = {}

    def tag_version(_registry: object, _version: object, **tags: str) -> None:
        tagged.update(tags)

    def read_version(_registry: object, model: str, number: int) -> ModelVersion:
        tags = {STATUS_TAG: "PASSED", PREVIOUS_TAG: "1"}
        return ModelVersion(model=model, version=number, aliases=frozenset(), tags=tags)

    monkeypatch.setattr(rollback, "require_aliases", lambda *_: {"Champion": 2})
    monkeypatch.setattr(rollback, "read_version", read_version)
    monkeypatch.setattr(rollback, "tag_version", tag_version)
    for name in ("find_rolled", "remove_alias", "bring"):
        monkeypatch.setattr(rollback, name, lambda *_: None)
    parameters = rollback.RollbackParameters(
        model="a.b.c", source="a.b", reason="a pasted log\n" * 200, started_at=datetime.now(UTC)
    )
    lakehouse: Any = SimpleNamespace(registry=None, workspace=None, set_task_value=lambda *_: None)
    rollback.run(parameters, lakehouse)
    assert len(tagged[REJECTED_TAG]) == REASON_LIMIT
    assert tagged[REJECTED_TAG].startswith("rolled back to version 1 by hand: a pasted log a ")
