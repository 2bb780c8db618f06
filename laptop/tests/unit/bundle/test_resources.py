from collections.abc import Callable
from pathlib import Path

import pytest
from laptop.bundle import Bundle, BundleError, Identity, resolve

Settle = Callable[..., Bundle]

RESOURCES = """
resources:
  schemas: {s: {catalog_name: c, name: flights}}
  registered_models:
    m: {catalog_name: c, schema_name: "${resources.schemas.s.name}", name: delay}
    plain: {catalog_name: c, schema_name: flights, name: other}
    foreign: {catalog_name: other, schema_name: flights, name: third}
  volumes: {v: {catalog_name: c, schema_name: flights, name: files}}
  experiments: {deep: {name: /Shared/a/train}, flat: {name: train}}
  model_serving_endpoints: {e: {name: end}}
  alerts: {a: {display_name: low}}
  jobs: {j: {name: train, description: "${resources.volumes.v.volume_path}"}}
"""


@pytest.mark.parametrize(
    ("preset", "names"),
    [
        (
            "mode: development",
            {
                "jobs.j.name": "[dev laptop] train",
                "experiments.deep.name": "/Shared/a/[dev laptop] train",
                "experiments.flat.name": "[dev laptop] train",
                "schemas.s.name": "dev_laptop_flights",
                "registered_models.m.name": "dev_laptop_delay",
                "model_serving_endpoints.e.name": "dev_laptop_end",
                "alerts.a.display_name": "[dev laptop] low",
                "volumes.v.name": "files",
                "volumes.v.volume_type": "MANAGED",
                "volumes.v.volume_path": "/Volumes/c/dev_laptop_flights/files",
                "jobs.j.description": "/Volumes/c/dev_laptop_flights/files",
            },
        ),
        (
            "presets: {name_prefix: pr_17_}",
            {
                "jobs.j.name": "pr_17_train",
                "experiments.deep.name": "/Shared/a/pr_17_train",
                "schemas.s.name": "pr_17flights",
                "registered_models.m.name": "pr_17delay",
            },
        ),
        (
            "presets: {name_prefix: 'Team  é-1] '}",
            {"schemas.s.name": "team_é_1_flights", "jobs.j.name": "Team  é-1] train"},
        ),
        ("presets: {}", {"schemas.s.name": "flights", "jobs.j.name": "train"}),
    ],
)
def test_names_take_the_prefix_in_the_form_their_kind_allows(
    settle: Settle, preset: str, names: dict[str, str]
) -> None:
    resources = settle(f"{RESOURCES}\ntargets: {{t: {{{preset}}}}}").config["resources"]
    for path, expected in names.items():
        kind, key, field = path.split(".")
        assert resources[kind][key][field] == expected


def test_the_schema_prefix_can_be_skipped(settle: Settle) -> None:
    skip = "experimental: {skip_name_prefix_for_schema: true}\n"
    bundle = settle(f"{skip}{RESOURCES}\ntargets: {{t: {{mode: development}}}}")
    assert bundle.schemas["s"]["name"] == "flights"
    assert bundle.registered_models["m"]["name"] == "dev_laptop_delay"


def test_a_schema_of_the_bundle_is_referred_to_even_where_its_name_is_typed(settle: Settle) -> None:
    bundle = settle(RESOURCES)
    reference = "${resources.schemas.s.name}"
    assert bundle.registered_models["plain"]["schema_name"] == reference
    assert bundle.config["resources"]["volumes"]["v"]["schema_name"] == reference
    assert bundle.registered_models["foreign"]["schema_name"] == "flights"


def test_a_job_gets_the_defaults_of_the_cli(settle: Settle) -> None:
    state = "/Workspace/Users/laptop@localhost/.bundle/sample/default/state"
    assert settle("resources: {jobs: {j: {}}}").jobs["j"] == {
        "name": "Untitled",
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "format": "MULTI_TASK",
        "edit_mode": "UI_LOCKED",
        "deployment": {"kind": "BUNDLE", "metadata_file_path": f"{state}/metadata.json"},
    }


TRIGGERS = """
resources:
  jobs:
    timed: {schedule: {quartz_cron_expression: x, timezone_id: UTC}, max_concurrent_runs: 1}
    fixed: {schedule: {quartz_cron_expression: x, timezone_id: UTC, pause_status: UNPAUSED}}
    table: {trigger: {table_update: {table_names: [a]}}, tags: {team: own, empty: ""}}
    steady: {continuous: {}}
"""


def test_presets_reach_triggers_tags_and_concurrent_runs_that_say_nothing(settle: Settle) -> None:
    presets = (
        "presets: {trigger_pause_status: PAUSED, jobs_max_concurrent_runs: 9, "
        "tags: {team: preset, empty: filled, more: x}}"
    )
    jobs = settle(f"{TRIGGERS}\n{presets}").jobs
    assert jobs["timed"]["schedule"]["pause_status"] == "PAUSED"
    assert jobs["fixed"]["schedule"]["pause_status"] == "UNPAUSED"
    assert jobs["table"]["trigger"]["pause_status"] == "PAUSED"
    assert jobs["steady"]["continuous"]["pause_status"] == "PAUSED"
    assert (jobs["timed"]["max_concurrent_runs"], jobs["fixed"]["max_concurrent_runs"]) == (1, 9)
    assert jobs["table"]["tags"] == {"team": "own", "empty": "filled", "more": "x"}


def test_triggers_run_where_no_preset_pauses_them(settle: Settle) -> None:
    jobs = settle(TRIGGERS).jobs
    assert jobs["timed"]["schedule"]["pause_status"] == "UNPAUSED"
    assert jobs["table"]["trigger"]["pause_status"] == "UNPAUSED"
    assert jobs["steady"]["continuous"]["pause_status"] == "UNPAUSED"


def test_experiments_take_preset_tags_as_a_list(settle: Settle) -> None:
    experiments = "resources: {experiments: {e: {name: n, tags: [{key: a, value: own}]}}}\n"
    bundle = settle(f"{experiments}presets: {{tags: {{b: '2', a: preset}}}}")
    assert bundle.experiments["e"]["tags"] == [
        {"key": "a", "value": "own"},
        {"key": "b", "value": "2"},
    ]


def test_permissions_of_the_bundle_reach_what_has_none_for_the_same_principal(
    settle: Settle,
) -> None:
    bundle = settle(
        """
permissions: [{level: CAN_RUN, group_name: g}, {level: CAN_VIEW, group_name: h}]
resources:
  jobs:
    shared: {}
    own: {permissions: [{level: CAN_VIEW, group_name: g}, {level: IS_OWNER, user_name: x}]}
    mine: {permissions: [{level: CAN_MANAGE, user_name: laptop@localhost}]}
  experiments: {e: {name: n}}
"""
    )
    user = {"user_name": "laptop@localhost"}
    assert bundle.jobs["shared"]["permissions"] == [
        {"level": "CAN_MANAGE_RUN", "group_name": "g"},
        {"level": "CAN_VIEW", "group_name": "h"},
        {"level": "IS_OWNER", **user},
    ]
    assert bundle.jobs["own"]["permissions"] == [
        {"level": "CAN_VIEW", "group_name": "g"},
        {"level": "IS_OWNER", "user_name": "x"},
        {"level": "CAN_VIEW", "group_name": "h"},
        {"level": "CAN_MANAGE", **user},
    ]
    assert bundle.jobs["mine"]["permissions"][0] == {"level": "IS_OWNER", **user}
    assert bundle.experiments["e"]["permissions"] == [
        {"level": "CAN_READ", "group_name": "h"},
        {"level": "CAN_MANAGE", **user},
    ]


def test_a_principal_keeps_the_highest_of_its_levels(settle: Settle) -> None:
    bundle = settle(
        """
permissions: [{level: CAN_MANAGE, group_name: h}, {level: CAN_VIEW, group_name: h}]
resources:
  jobs:
    j:
      permissions:
        - {level: CAN_VIEW, group_name: g}
        - {level: CAN_MANAGE_RUN, group_name: g}
        - {level: CAN_VIEW, group_name: g}
"""
    )
    assert bundle.jobs["j"]["permissions"][:2] == [
        {"level": "CAN_MANAGE_RUN", "group_name": "g"},
        {"level": "CAN_MANAGE", "group_name": "h"},
    ]


def test_who_has_an_application_id_is_a_service_principal(write: Callable[..., Path]) -> None:
    principal = "11111111-2222-4333-8444-555555555555"
    root = write(
        {
            "databricks.yml": f"""
permissions: [{{level: CAN_MANAGE, service_principal_name: {principal}}}]
resources: {{jobs: {{j: {{}}}}, experiments: {{e: {{name: n}}}}}}
"""
        }
    )
    bundle = resolve(root, identity=Identity(principal, principal))
    named = {"service_principal_name": principal}
    assert bundle.jobs["j"]["permissions"] == [{"level": "IS_OWNER", **named}]
    assert bundle.experiments["e"]["permissions"] == [{"level": "CAN_MANAGE", **named}]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "permissions: [{level: CAN_EDIT, group_name: g}]",
            "unknown permission level, got 'CAN_EDIT'",
        ),
        ("permissions: [{level: CAN_VIEW}]", "must name whom it is for"),
        ("run_as: {}", "run_as must name exactly one identity"),
        ("run_as: {user_name: a, service_principal_name: b}", "exactly one identity"),
    ],
)
def test_permissions_and_identities_are_complete(settle: Settle, text: str, problem: str) -> None:
    with pytest.raises(BundleError, match=problem):
        settle(f"{text}\nresources: {{jobs: {{j: {{}}}}}}")


def test_grants_are_merged_by_principal(settle: Settle) -> None:
    grants = (
        "{principal: a, privileges: [X]}, {principal: b, privileges: [X]}, "
        "{principal: a, privileges: [X, Y]}"
    )
    schema = f"{{catalog_name: c, name: n, grants: [{grants}]}}"
    bundle = settle(f"resources: {{schemas: {{s: {schema}}}}}")
    assert bundle.schemas["s"]["grants"] == [
        {"principal": "a", "privileges": ["X", "Y"]},
        {"principal": "b", "privileges": ["X"]},
    ]


ALERT = """
resources:
  alerts:
    a: {display_name: low, schedule: {quartz_cron_schedule: "0 0 7 * * ?", timezone_id: UTC}}
    b:
      display_name: high
      schedule: {quartz_cron_schedule: "0 0 7 * * ?", timezone_id: UTC, pause_status: UNPAUSED}
  dashboards:
    d: {display_name: seen, warehouse_id: w, file_path: pages/d.lvdash.json}
    e: {display_name: other, warehouse_id: w, serialized_dashboard: "{}", parent_path: /Users/ann}
targets: {dev: {mode: development, default: true}}
"""


def test_alerts_are_paused_in_development_unless_they_say_otherwise(
    settle: Settle, tmp_path: Path
) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "d.lvdash.json").write_text('{"pages": []}\n')
    bundle = settle(ALERT)
    assert bundle.alerts["a"]["schedule"]["pause_status"] == "PAUSED"
    assert bundle.alerts["b"]["schedule"]["pause_status"] == "UNPAUSED"
    assert bundle.alerts["a"]["parent_path"] == bundle.config["workspace"]["resource_path"]


def test_a_dashboard_takes_its_definition_from_its_file(settle: Settle, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "d.lvdash.json").write_text('{"pages": []}\n')
    bundle = settle(ALERT)
    assert bundle.dashboards["d"]["serialized_dashboard"] == '{"pages": []}\n'
    assert bundle.dashboards["d"]["file_path"] == "pages/d.lvdash.json"
    assert bundle.dashboards["d"]["embed_credentials"] is False
    assert bundle.dashboards["e"]["parent_path"] == "/Workspace/Users/ann"
    (tmp_path / "pages" / "d.lvdash.json").unlink()
    with pytest.raises(BundleError, match=r"no such file(?s:.*)d\.lvdash\.json"):
        settle(ALERT)


def test_a_lookup_finds_a_warehouse_by_its_name(write: Callable[..., Path]) -> None:
    text = "variables: {house: {lookup: {warehouse: Shared}}}\nresources: {jobs: {j: {name: "
    root = write({"databricks.yml": text + "'${var.house}'}}}"})
    user = Identity("laptop@localhost", "laptop")
    found = resolve(root, identity=user, warehouses={"Shared": "12"})
    assert found.jobs["j"]["name"] == "12"
    assert not found.unresolved
    assert resolve(root, identity=user, warehouses={"Other": "12"}).unresolved
