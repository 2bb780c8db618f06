"""Each target of the bundle, from its validation to its end, with the real CLI."""

import re

from conformance.tests.deployments import (
    DEV,
    KEPT,
    PROD,
    TARGETS,
    TEMPORARY,
    TEST,
    Deployment,
    Open,
    Target,
    each,
)

RESOURCES = {
    "experiments": ["training"],
    "jobs": [
        "batch_inference",
        "deployment",
        "feature_refresh",
        "model_training",
        "monitoring",
        "rollback",
        "rollout",
        "stream_inference",
        "stream_refresh",
    ],
    "registered_models": ["model"],
    "schemas": ["flight_delays"],
    "volumes": ["checkpoints", "outputs"],
}


@each(*TARGETS)
def test_a_target_is_valid_without_a_warning_or_a_recommendation(
    open_target: Open, target: Target
) -> None:
    deployment = open_target(target)
    result = deployment("validate", "--strict").succeed()
    assert result.out.endswith("Validation OK!\n")
    assert result.err == ""
    assert f"Path: {target.root_path}\n" in result.out


@each(*TARGETS)
def test_a_first_plan_creates_everything_and_does_nothing(
    open_target: Open, target: Target
) -> None:
    deployment = open_target(target)
    before = deployment.workspace.read_state()
    actions = read_actions(deployment)
    assert set(actions.values()) == {"create"}
    for kind, keys in RESOURCES.items():
        assert {f"{kind}.{key}" for key in keys} <= actions.keys()
    assert ("jobs.teardown" in actions) == (target in TEMPORARY)
    assert ("jobs.model_comparison" in actions) == (target is DEV)
    assert deployment.workspace.read_state() == before


@each(*(target for target in TARGETS if target is not DEV))
def test_a_plan_after_a_deploy_changes_nothing(open_target: Open, target: Target) -> None:
    deployment = open_target(target)
    deployment.deploy().succeed()
    assert re.search(
        r"^Plan: 0 to add, 0 to change, 0 to delete, \d+ unchanged$", deployment.plan()
    )


def test_in_dev_a_plan_after_a_deploy_changes_the_wheel_alone(open_target: Open) -> None:
    # Dev builds what is being edited: a new version each time, so that no cache serves old code.
    deployment = open_target(DEV)
    deployment.deploy().succeed()
    plan = deployment("plan", "--output", "json").succeed().json["plan"]
    changed = {key: entry for key, entry in plan.items() if entry["action"] != "skip"}
    assert set(changed) == {key for key in plan if key.startswith("resources.jobs.")}
    for entry in changed.values():
        fields = {name for name, one in entry["changes"].items() if one["action"] != "skip"}
        assert fields == {"environments[environment_key='default'].spec.dependencies[0]"}


@each(*TARGETS)
def test_a_summary_names_each_resource_and_where_it_is(open_target: Open, target: Target) -> None:
    deployment = open_target(target)
    deployment.deploy().succeed()
    resources = deployment("summary", "--output", "json").succeed().json["resources"]
    for kind, keys in RESOURCES.items():
        for key in keys:
            assert resources[kind][key]["id"]
            assert resources[kind][key]["url"].startswith(deployment.workspace.url)


@each(*TEMPORARY)
def test_a_destroy_of_what_is_temporary_leaves_nothing(open_target: Open, target: Target) -> None:
    deployment = open_target(target)
    deployment.deploy().succeed()
    assert all(deployment.workspace.read_state()[kind] for kind in (*RESOURCES, "files"))
    deployment("destroy", "--auto-approve").succeed()
    left = deployment.workspace.read_state()
    assert not any(left[kind] for kind in (*RESOURCES, "files"))
    assert not [folder for folder in left["folders"] if folder.startswith(target.root_path)]


@each(*KEPT)
def test_a_destroy_of_what_is_kept_is_refused_and_changes_nothing(
    open_target: Open, target: Target
) -> None:
    deployment = open_target(target)
    deployment.deploy().succeed()
    before = deployment.workspace.read_state()
    result = deployment("destroy", "--auto-approve")
    assert result.code == 1
    for resource in ("registered_models.model", "schemas.flight_delays"):
        assert f"resources.{resource} has lifecycle.prevent_destroy set" in result.err
    assert deployment.workspace.read_state() == before


def read_actions(deployment: Deployment) -> dict[str, str]:
    plan = deployment("plan", "--output", "json").succeed().json["plan"]
    return {key.removeprefix("resources."): entry["action"] for key, entry in plan.items()}


TRIGGER = re.compile(r"^ {6}trigger:\n(?: {8}.*\n)+", re.MULTILINE)
SCHEDULE = re.compile(r"^ {6}schedule:\n(?: {8}.*\n)+", re.MULTILINE)


def test_a_refresh_may_be_triggered_as_its_page_says(open_target: Open) -> None:
    deployment = open_target(PROD)
    (trigger,) = TRIGGER.findall((deployment.project.root / "docs" / "streaming.md").read_text())
    file = deployment.project.root / "resources" / "feature_refresh.job.yml"
    triggered, count = SCHEDULE.subn(trigger, file.read_text())
    file.write_text(
        triggered.replace("--schedule=${var.refresh_schedule}", "--schedule=continuous")
    )
    assert count == 1
    assert deployment("validate", "--strict").succeed().err == ""
    deployment.deploy().succeed()
    (job,) = (
        each["settings"]
        for each in deployment.workspace.read_state()["jobs"].values()
        if each["settings"]["name"] == "feature_refresh"
    )
    assert job["trigger"]["table_update"]["table_names"]
    assert "schedule" not in job


def test_what_a_pull_request_deploys_carries_its_number(open_target: Open) -> None:
    deployment = open_target(TEST)
    deployment.deploy().succeed()
    state = deployment.workspace.read_state()
    names = [job["settings"]["name"] for job in state["jobs"].values()]
    assert sorted(name.removeprefix("pr_17_") for name in names) == sorted(
        [*RESOURCES["jobs"], "teardown"]
    )
    assert all(name.startswith("pr_17_") for name in names)
    assert list(state["schemas"]) == ["staging.pr_17flight_delays"]
    assert list(state["registered_models"]) == ["staging.pr_17flight_delays.pr_17model"]
