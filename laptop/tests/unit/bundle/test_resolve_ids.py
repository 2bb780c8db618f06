from collections.abc import Callable

import pytest
from laptop.bundle import Bundle, BundleError, resolve_ids

Settle = Callable[..., Bundle]

TEXT = """
resources:
  schemas: {s: {catalog_name: c, name: flights}}
  registered_models: {m: {catalog_name: c, schema_name: "${resources.schemas.s.name}", name: delay}}
  experiments: {e: {name: /Shared/train}}
  jobs:
    called: {name: called}
    j:
      description: "PROBE"
      tasks: [{task_key: t, run_job_task: {job_id: "${resources.jobs.called.id}"}}]
targets: {t: {mode: development}}
"""
DEPLOYED = {"experiments": {"e": {"id": "7"}}, "jobs": {"called": {"id": "42", "url": "http://x"}}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${resources.registered_models.m.id}", "c.dev_laptop_flights.dev_laptop_delay"),
        ("${resources.registered_models.m.full_name}", "c.dev_laptop_flights.dev_laptop_delay"),
        ("${resources.schemas.s.id}", "c.dev_laptop_flights"),
        ("${resources.schemas.s.name}", "dev_laptop_flights"),
        (
            "${resources.experiments.e.id} ${resources.experiments.e.name}",
            "7 /Shared/[dev laptop] train",
        ),
        ("${resources.jobs.called.url}", "http://x"),
        ("{{job.id}} ${HOME}", "{{job.id}} ${HOME}"),
    ],
)
def test_what_is_configured_derived_or_deployed_takes_the_references_place(
    settle: Settle, text: str, expected: str
) -> None:
    linked = resolve_ids(settle(TEXT.replace("PROBE", text)), DEPLOYED)
    assert linked.jobs["j"]["description"] == expected
    assert linked.jobs["j"]["tasks"][0]["run_job_task"]["job_id"] == "42"


def test_what_is_deployed_beats_what_is_configured(settle: Settle) -> None:
    bundle = settle(TEXT.replace("PROBE", "${resources.jobs.called.name}"))
    deployed = {"jobs": {"called": {"id": "42", "name": "renamed"}}}
    assert resolve_ids(bundle, deployed).jobs["j"]["description"] == "renamed"


def test_what_nothing_knows_stays_with_its_reason(settle: Settle) -> None:
    text = TEXT.replace("PROBE", "${resources.experiments.e.id}")
    linked = resolve_ids(settle(text), {"jobs": {"called": {"id": "1"}}})
    assert linked.jobs["j"]["description"] == "${resources.experiments.e.id}"
    assert "not known" in linked.unresolved["${resources.experiments.e.id}"]


@pytest.mark.parametrize(
    ("text", "deployed", "problem"),
    [
        ("${resources.jobs.j.description}", DEPLOYED, "are circular"),
    ],
)
def test_a_circle_is_refused(
    settle: Settle, text: str, deployed: dict[str, dict[str, dict[str, str]]], problem: str
) -> None:
    with pytest.raises(BundleError, match=problem):
        resolve_ids(settle(TEXT.replace("PROBE", text)), deployed)
