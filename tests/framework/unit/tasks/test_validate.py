"""What validate leaves on a version, however it ends."""

from types import SimpleNamespace
from typing import Any

import pytest

from flight_delays.promotion.decide import Failed, Verdict
from flight_delays.promotion.model_version import STATUS_TAG, ModelVersion
from flight_delays.tasks import validate

MODEL, NUMBER = "a.b.model", 4


class Registry:
    """A registry of one model whose aliases and tags are a dict each."""

    def __init__(self, aliases: dict[str, int], statuses: dict[int, str]) -> None:
        self.aliases = dict(aliases)
        self.tags = {number: {STATUS_TAG: status} for number, status in statuses.items()}
        self.seen: list[str | None] = []

    def get_registered_model(self, _: str) -> Any:
        return SimpleNamespace(aliases={name: str(at) for name, at in self.aliases.items()})

    def get_model_version(self, _: str, version: str) -> Any:
        tags = self.tags.get(int(version), {})
        return SimpleNamespace(tags=tags, description="", run_id="")

    def set_model_version_tag(self, _: str, version: str, key: str, value: str) -> None:
        self.tags.setdefault(int(version), {})[key] = value

    def set_registered_model_alias(self, _: str, alias: str, version: str) -> None:
        self.aliases[alias] = int(version)

    def delete_registered_model_alias(self, _: str, alias: str) -> None:
        del self.aliases[alias]


def make_registry(**aliases: int) -> Registry:
    return Registry(aliases, {2: "PASSED", 3: "PASSED", 5: "PASSED", 6: "FAILED"})


def judge_by(monkeypatch: pytest.MonkeyPatch, registry: Registry, verdict: Any) -> None:
    """Run validate on a version; what judges it is a verdict, or an error to raise."""

    def judge(version: ModelVersion, *_: Any) -> Verdict:
        registry.seen.append(registry.tags.get(version.version, {}).get(STATUS_TAG))
        if isinstance(verdict, Exception):
            raise verdict
        found: Verdict = verdict
        return found

    monkeypatch.setattr(validate, "judge", judge)
    lakehouse: Any = SimpleNamespace(registry=registry, set_task_value=lambda *_: None)
    parameters: Any = SimpleNamespace(model_uri=f"models:/{MODEL}/{NUMBER}")
    validate.run(parameters, lakehouse)


@pytest.mark.parametrize(("champion", "meanwhile"), [(3, "PENDING"), (NUMBER, "PASSED")])
def test_an_earlier_verdict_ends_at_once_but_that_of_the_champion(
    monkeypatch: pytest.MonkeyPatch, champion: int, meanwhile: str
) -> None:
    registry = make_registry(Champion=champion)
    registry.tags[NUMBER] = {STATUS_TAG: "PASSED"}
    with pytest.raises(validate.ValidationFailedError):
        judge_by(monkeypatch, registry, Failed("too bad", ()))
    assert registry.seen == [meanwhile]
    assert registry.tags[NUMBER][STATUS_TAG] == "FAILED"
