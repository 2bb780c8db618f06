"""Tags that validate sets on a version for each outcome."""

from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.entities import Run, RunData, RunInfo

from flight_delays.errors import UnusableInputError
from flight_delays.problem import PROBLEM
from flight_delays.promotion.answers import Answers
from flight_delays.promotion.decide import Failed, Passed, Verdict
from flight_delays.promotion.model_version import STATUS_TAG, ModelVersion
from flight_delays.tasks import validate
from flight_delays.tasks.approval import ApprovalError
from flight_delays.tasks.evidence import check_look_ups, expect_inputs, find_flaws
from flight_delays.tasks.holdout import read_judged_rows

MODEL, NUMBER = "a.b.model", 4


class Registry:
    """A registry of one model with aliases and tags as dicts."""

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


def make_version(*aliases: str, **tags: str) -> ModelVersion:
    return ModelVersion(
        model=MODEL, version=NUMBER, aliases=frozenset(aliases), tags=tags, run_id="r"
    )


def make_registry(**aliases: int) -> Registry:
    return Registry(aliases, {2: "PASSED", 3: "PASSED", 5: "PASSED", 6: "FAILED"})


def judge_by(monkeypatch: pytest.MonkeyPatch, registry: Registry, verdict: Any) -> None:
    """Run validate on a version with a fixed verdict, or an error to raise."""

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


def test_an_approval_that_cannot_be_withdrawn_leaves_failed_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def withdraw(*_: Any) -> None:
        raise ApprovalError("the tag is governed")

    registry = make_registry()
    monkeypatch.setattr(validate, "withdraw", withdraw)
    with pytest.raises(ApprovalError):
        judge_by(monkeypatch, registry, Passed("sound", ()))
    assert registry.tags[NUMBER][STATUS_TAG] == "FAILED"
    assert "the tag is governed" in registry.tags[NUMBER]["validation_reason"]
    assert registry.aliases == {}


BEFORE = {"Champion": 3, "Challenger": 2}


def require_unmoved(registry: Registry) -> None:
    lakehouse: Any = SimpleNamespace(registry=registry)
    version = ModelVersion(model=MODEL, version=NUMBER, aliases=frozenset(), tags={})
    validate.require_unmoved(version, BEFORE, lakehouse)


@pytest.mark.parametrize(
    "after",
    [
        {"Challenger": 2},
        {"Champion": 3},
        {},
        {"Champion": 6, "Challenger": 2},
        {"Champion": NUMBER, "Challenger": NUMBER},
        {**BEFORE, "Other": 6},
    ],
)
def test_an_alias_that_no_job_would_move_so_is_put_back(after: dict[str, int]) -> None:
    registry = make_registry(**after)
    # The model could have set this tag.
    registry.tags[NUMBER] = {STATUS_TAG: "PASSED"}
    with pytest.raises(validate.AliasMovedError, match=r"Put back: [CO]"):
        require_unmoved(registry)
    assert registry.aliases == BEFORE
    require_unmoved(registry)


@pytest.mark.parametrize("after", [{"Champion": 5, "Challenger": 5}, {"Champion": 2}])
def test_an_alias_that_a_job_has_moved_is_left(after: dict[str, int]) -> None:
    registry = make_registry(**after)
    registry.tags[2]["rejected"] = ""
    with pytest.raises(validate.OvertakenError, match="run validate again"):
        require_unmoved(registry)
    assert registry.aliases == after


def test_a_version_that_was_overtaken_has_no_verdict_but_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = make_registry(Champion=3)
    with pytest.raises(validate.OvertakenError):
        judge_by(monkeypatch, registry, validate.OvertakenError("moved: run validate again"))
    assert registry.tags[NUMBER] == {
        STATUS_TAG: "PENDING",
        "validation_reason": "moved: run validate again",
    }


@pytest.mark.parametrize(
    ("status", "stage", "flaw"),
    [
        ("FINISHED", "active", ""),
        ("RUNNING", "active", ""),
        ("FAILED", "active", "its run ended as FAILED"),
        ("KILLED", "active", "its run ended as KILLED"),
        ("FINISHED", "deleted", "its run was deleted"),
    ],
)
def test_a_run_that_failed_or_was_deleted_makes_no_version(
    status: str, stage: str, flaw: str
) -> None:
    info = RunInfo("r", "1", "job", status, 0, 0, stage)
    version = make_version()
    assert list(find_flaws(version, Run(info, RunData()), "r")) == ([flaw] if flaw else [])


def test_a_version_of_another_run_or_model_type_is_refused() -> None:
    run = Run(RunInfo("r", "1", "job", "FINISHED", 0, 0, "active"), RunData())
    assert list(find_flaws(make_version(model_type=PROBLEM.model_type.name), run, "r")) == []
    (borrowed, kind) = find_flaws(make_version(model_type="ranking"), run, None)
    assert borrowed == "run none logged it, its version names run r"
    assert kind == f"its model type is 'ranking', the problem's is '{PROBLEM.model_type.name}'"


def test_a_version_without_a_run_fails_with_that_reason() -> None:
    version = ModelVersion(model=MODEL, version=NUMBER, aliases=frozenset(), tags={})
    unused: Any = None
    verdict = validate.judge(version, unused, unused)
    assert isinstance(verdict, Failed)
    assert "registered by hand" in verdict.reason


def test_an_as_of_in_the_future_is_named() -> None:
    given: Any = SimpleNamespace(total=0, interval="", validation=SimpleNamespace(min_rows=1))
    version = make_version(as_of="2999-01-01T00:00:00+00:00")
    with pytest.raises(UnusableInputError, match="is in the future: train as of"):
        read_judged_rows(version, given, given, "prod.s", given)


TABLE = next(table for table in PROBLEM.feature_tables if table.timeseries_column)
FEATURE = TABLE.features[0].casefold()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'"prod.s.{TABLE.name}"', f'"dev.s.{TABLE.name}"'),
        (f'"prod.s.{TABLE.name}"', '"prod.s.other"'),
        (f'"{TABLE.lookup_key[0]}"', '"elsewhere"'),
        ('"features_at"', f'"{PROBLEM.spine.decision_at}"'),
        ('"lookup_key"', '"default_value": "0.0", "lookup_key"'),
        ('"lookup_key"', '"lookback_window": 1.0, "lookup_key"'),
        (f'"feature_name": "{FEATURE}"', '"feature_name": "other"'),
    ],
)
def test_inputs_are_looked_up_as_the_problem_says(old: str, new: str) -> None:
    expected = expect_inputs("Prod.s")
    made_otherwise = expected | {FEATURE: expected[FEATURE].replace(old, new)}
    assert made_otherwise != expected
    answers = Answers(environment="", inputs=made_otherwise)
    check = check_look_ups(make_version(), answers, "prod.S")
    assert not check.ok
    assert f"of problem/ in prod.S: {FEATURE}; {FEATURE} is" in check.detail
    # The Champion may be of earlier code.
    champion = check_look_ups(make_version("Champion"), answers, "prod.S")
    assert champion.ok is ("dev.s" not in new)


def test_each_input_of_the_problem_and_no_other_is_looked_up() -> None:
    expected = expect_inputs("prod.s")
    assert {*expected} == {name.casefold() for name in PROBLEM.feature_columns}
    assert check_look_ups(make_version(), Answers(environment="", inputs=expected), "prod.s").ok
    for inputs in (
        {},
        expected | {"more": "{}"},
        {n: expected[n] for n in expected if n != FEATURE},
    ):
        check = check_look_ups(make_version(), Answers(environment="", inputs=inputs), "prod.s")
        assert "train it by this job" in check.detail
        assert not check.ok
