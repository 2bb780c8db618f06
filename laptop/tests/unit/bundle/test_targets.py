from collections.abc import Callable

import pytest
from laptop.bundle import Bundle, BundleError, check_branch

Settle = Callable[..., Bundle]


@pytest.mark.parametrize(
    ("text", "wanted", "chosen"),
    [
        ("", None, "default"),
        ("targets: {only: }", None, "only"),
        ("targets: {a: {default: true}, b: {}}", None, "a"),
        ("targets: {a: {default: true}, b: {}}", "b", "b"),
    ],
)
def test_the_target_is_the_wanted_the_only_or_the_default_one(
    settle: Settle, text: str, wanted: str | None, chosen: str
) -> None:
    bundle = settle(text, target=wanted)
    assert (bundle.target, bundle.config["bundle"]["target"]) == (chosen, chosen)
    assert "targets" not in bundle.config


@pytest.mark.parametrize(
    ("text", "wanted", "problem"),
    [
        ("targets: {dev: {}, prod: {}}", "prd", "unknown target, got 'prd'(?s:.*)mean 'prod'"),
        ("targets: {a: {}, b: {}}", None, r"one target must be the default(?s:.*)Allowed: a, b"),
        ("targets: {a: {default: true}, b: {default: true}}", None, "got 'a, b'"),
    ],
)
def test_a_target_that_is_not_clear_is_refused(
    settle: Settle, text: str, wanted: str | None, problem: str
) -> None:
    with pytest.raises(BundleError, match=problem):
        settle(text, target=wanted)


def test_a_target_is_laid_over_the_base(settle: Settle) -> None:
    bundle = settle(
        """
permissions: [{level: CAN_VIEW, group_name: all}]
run_as: {user_name: base}
sync: {exclude: [a]}
resources:
  jobs:
    j:
      tags: {kept: base, changed: base}
      parameters: [{name: p, default: base}, {name: q, default: base}]
      tasks:
        - {task_key: z, max_retries: 1, python_wheel_task: {package_name: p, entry_point: e}}
        - {task_key: m, condition_task: {left: a, op: EQUAL_TO, right: b}}
targets:
  t:
    permissions: [{level: CAN_RUN, group_name: few}]
    run_as: {service_principal_name: target}
    sync: {exclude: [b]}
    resources:
      jobs:
        j:
          tags: {changed: target}
          parameters: [{name: p, default: target}, {name: r, default: target}]
          tasks:
            - {task_key: z, timeout_seconds: 5}
            - {task_key: a, run_job_task: {job_id: 1}}
"""
    )
    job = bundle.jobs["j"]
    assert job["tags"] == {"kept": "base", "changed": "target"}
    assert [(one["name"], one["default"]) for one in job["parameters"]] == [
        ("p", "target"),
        ("q", "base"),
        ("r", "target"),
    ]
    assert [task["task_key"] for task in job["tasks"]] == ["a", "m", "z"]
    assert job["tasks"][2] == {
        "task_key": "z",
        "max_retries": 1,
        "timeout_seconds": 5,
        "python_wheel_task": {"package_name": "p", "entry_point": "e"},
    }
    assert job["run_as"] == {"service_principal_name": "target"}
    assert bundle.config["sync"]["exclude"] == ["a", "b"]
    assert [one["group_name"] for one in bundle.config["permissions"]] == ["all", "few"]


def test_a_target_cannot_give_an_environment_twice(settle: Settle) -> None:
    environments = "resources: {jobs: {j: {environments: [{environment_key: e}]}}}"
    with pytest.raises(BundleError, match=r"two environments with one key.*got 'e'"):
        settle(f"{environments}\ntargets: {{t: {{{environments}}}}}")


def test_a_target_cannot_change_the_kind_of_a_value(settle: Settle) -> None:
    with pytest.raises(BundleError, match="a whole number cannot replace text"):
        settle(
            "variables: {n: {default: 1}}\n"
            "resources: {jobs: {j: {max_concurrent_runs: '${var.n}'}}}\n"
            "targets: {t: {resources: {jobs: {j: {max_concurrent_runs: 2}}}}}"
        )


def test_development_mode_sets_what_the_bundle_does_not(settle: Settle) -> None:
    config = settle("targets: {t: {mode: development, presets: {tags: {team: a}}}}").config
    assert config["presets"] == {
        "name_prefix": "[dev laptop] ",
        "tags": {"team": "a", "dev": "laptop"},
        "jobs_max_concurrent_runs": 4,
        "trigger_pause_status": "PAUSED",
        "pipelines_development": True,
    }
    assert config["bundle"]["deployment"] == {"lock": {"enabled": False}}
    assert config["bundle"]["mode"] == "development"


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("workspace: {root_path: /Shared/x}", "workspace.root_path must hold the user's name"),
        ("workspace: {state_path: /Shared/x}", "workspace.state_path must hold the user's name"),
        ("presets: {name_prefix: mine_}", "name_prefix must hold the user's name, got 'mine_'"),
        ("presets: {trigger_pause_status: UNPAUSED}", "must not be UNPAUSED"),
    ],
)
def test_development_mode_keeps_copies_apart(settle: Settle, target: str, problem: str) -> None:
    with pytest.raises(BundleError, match=problem):
        settle(f"targets: {{t: {{mode: development, {target}}}}}")


JOB = "resources: {jobs: {j: {name: n}}}\n"


def test_production_mode_wants_one_copy(settle: Settle) -> None:
    with pytest.raises(BundleError, match=r"must set workspace\.root_path"):
        settle(JOB + "targets: {t: {mode: production}}")
    with pytest.raises(BundleError, match=r"must set workspace\.root_path"):
        settle(JOB + "workspace: {root_path: /x}\ntargets: {t: {mode: production}}")
    rooted = settle(JOB + "targets: {t: {mode: production, workspace: {root_path: ~/x}}}")
    assert rooted.config["workspace"]["root_path"] == "/Workspace/Users/laptop@localhost/x"
    settle(JOB + "targets: {t: {mode: production, run_as: {user_name: u}}}")


def test_an_unknown_mode_is_refused(settle: Settle) -> None:
    with pytest.raises(BundleError, match="Allowed: development, production"):
        settle("targets: {t: {mode: prod}}")


def test_a_deployment_from_another_branch_is_refused(settle: Settle) -> None:
    bundle = settle("targets: {t: {git: {branch: main}}}")
    git = {"branch": "main", "actual_branch": "feature"}
    other = Bundle(bundle.root, "sample", "t", {"bundle": {"git": git}})
    check_branch(bundle)
    with pytest.raises(BundleError, match="deployed from branch main, got 'feature'"):
        check_branch(other)


def test_workspace_paths_follow_the_root_path(settle: Settle) -> None:
    workspace = settle(
        "workspace: {artifact_path: /Volumes/v}\n"
        "targets: {t: {workspace: {root_path: '/Shared/${bundle.name}'}}}"
    ).config["workspace"]
    assert workspace["root_path"] == "/Workspace/Shared/sample"
    assert workspace["file_path"] == "/Workspace/Shared/sample/files"
    assert workspace["state_path"] == "/Workspace/Shared/sample/state"
    assert workspace["resource_path"] == "/Workspace/Shared/sample/resources"
    assert workspace["artifact_path"] == "/Volumes/v"
