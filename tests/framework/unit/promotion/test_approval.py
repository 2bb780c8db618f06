"""An approval is valid for one version, one Champion and one comparison."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_delays.promotion.approval import (
    APPROVAL_TAG,
    APPROVED,
    ASKED_TAG,
    Approval,
    apply_approval,
    find_answered,
    read_approval,
)
from flight_delays.promotion.decide import Decision, Keep, NeedsApproval, Promote, Reject
from flight_delays.promotion.model_version import ModelVersion

PREDICTIONS = "0f" * 32
VERSION = ModelVersion(model="prod.orders.model", version=4, aliases=frozenset(), tags={})
PROMOTE = Promote("Version 4 is significantly better: log_loss 0.40 against 0.41.")
TEXTS = st.none() | st.text(max_size=30) | st.sampled_from([APPROVED, "approved", " Approved"])


def tag(tags: dict[str, str]) -> ModelVersion:
    return replace(VERSION, tags=tags)


def ask(champion: int | None = 3, predictions: str | None = PREDICTIONS) -> ModelVersion:
    """Return the version, approved against a Champion."""
    request = read_approval(VERSION, champion, predictions).request
    return tag({ASKED_TAG: request, APPROVAL_TAG: APPROVED})


def settle(approval: Approval, required: bool = True, decision: Decision = PROMOTE) -> Decision:
    return apply_approval(decision, approval, required=required)


def test_approval_of_what_was_asked_promotes() -> None:
    approval = read_approval(ask(), 3, PREDICTIONS)
    assert approval.stands
    decision = settle(approval)
    assert isinstance(decision, Promote)
    assert decision.reason == f"Approved. {PROMOTE.reason}"


def test_request_names_version_champion_and_comparison_and_fits_into_a_tag() -> None:
    request = read_approval(VERSION, 3, PREDICTIONS).request
    assert json.loads(request) == {"version": 4, "champion": 3, "predictions": PREDICTIONS}
    assert len(read_approval(replace(VERSION, version=10**9), 10**9, "f" * 64).request) < 256


@pytest.mark.parametrize(
    ("version", "champion", "predictions"),
    [
        (4, 5, PREDICTIONS),
        (4, None, PREDICTIONS),
        (4, 3, "another"),
        (4, 3, None),
        (6, 3, PREDICTIONS),
    ],
)
def test_approval_of_anything_else_is_stale(
    version: int, champion: int | None, predictions: str | None
) -> None:
    approval = read_approval(replace(ask(), version=version), champion, predictions)
    assert not approval.stands
    assert isinstance(settle(approval), NeedsApproval)
    assert approval.missing.startswith("The approval asked for before was of ")


@pytest.mark.parametrize(
    ("tags", "lack"),
    [
        ({}, "Nobody has approved it yet."),
        ({APPROVAL_TAG: APPROVED}, "was set before an approval was asked for"),
        ({ASKED_TAG: "{}", APPROVAL_TAG: APPROVED}, "was of {}; since then Champion or"),
        ({ASKED_TAG: read_approval(VERSION, 3, PREDICTIONS).request}, "Nobody has approved"),
        (
            {ASKED_TAG: read_approval(VERSION, 3, PREDICTIONS).request, APPROVAL_TAG: "approved"},
            "is 'approved'; only 'Approved' approves it",
        ),
    ],
)
def test_what_is_missing_is_said(tags: dict[str, str], lack: str) -> None:
    approval = read_approval(tag(tags), 3, PREDICTIONS)
    assert not approval.stands
    assert lack in approval.missing


@given(asked=TEXTS, answer=TEXTS, champion=st.none() | st.integers(1, 9))
def test_nothing_but_the_exact_request_and_answer_promotes(
    asked: str | None, answer: str | None, champion: int | None
) -> None:
    tags = {ASKED_TAG: asked, APPROVAL_TAG: answer}
    version = tag({key: value for key, value in tags.items() if value is not None})
    assert isinstance(settle(read_approval(version, champion, None)), NeedsApproval)


@pytest.mark.parametrize("decision", [Keep("k"), Reject("r"), NeedsApproval("n")])
@pytest.mark.parametrize("required", [True, False])
def test_approval_changes_no_other_decision(decision: Decision, required: bool) -> None:
    approval = read_approval(ask(), 3, PREDICTIONS)
    assert settle(approval, required, decision) is decision


def test_where_none_is_required_a_promotion_stays_as_it_is() -> None:
    assert settle(read_approval(VERSION, 3, None), required=False) is PROMOTE


def test_needed_approval_names_version_champion_and_figures() -> None:
    reason = settle(read_approval(VERSION, 3, None)).reason
    assert (
        "Version 4 may become Champion once a person approves it against Champion version 3: "
        in reason
    )
    assert "0.40 against 0.41" in reason
    first = settle(read_approval(VERSION, None, None)).reason
    assert "approves it against the heuristic baseline" in first


def test_answer_is_removed_before_the_request() -> None:
    assert find_answered(ask().tags) == (APPROVAL_TAG, ASKED_TAG)
    assert find_answered({}) == ()
