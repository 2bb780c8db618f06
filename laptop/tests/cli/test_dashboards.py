"""Dashboards and alerts, deployed by the CLI."""

import json

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service.dashboards import Dashboard, LifecycleState
from databricks.sdk.service.sql import SchedulePauseStatus

from .conftest import DASHBOARD, Databricks
from .test_deploy import ROOT, actions, level


def read_id(databricks: Databricks, kind: str, key: str, *more: str) -> str:
    summary = databricks.read("bundle", "summary", *more)
    return str(summary["resources"][kind][key]["id"])


def find_dashboard(client: WorkspaceClient, databricks: Databricks, *more: str) -> Dashboard:
    return client.lakeview.get(read_id(databricks, "dashboards", "seen", *more))


def test_a_deploy_publishes_the_dashboard_over_the_schema_of_its_target(
    deployed: Databricks, client: WorkspaceClient
) -> None:
    found = find_dashboard(client, deployed)
    assert found.display_name == "[dev laptop] seen"
    assert found.warehouse_id == "laptop"
    folder = f"{ROOT}/dev/resources".removeprefix("/Workspace")
    assert found.path == f"{folder}/[dev laptop] seen.lvdash.json"
    (dataset,) = json.loads(found.serialized_dashboard or "")["datasets"]
    assert dataset == {**DASHBOARD["datasets"][0], "catalog": "dev", "schema": "dev_laptop_lake"}
    published = client.lakeview.get_published(str(found.dashboard_id))
    assert published.embed_credentials is False
    assert set(actions(deployed).values()) == {"skip"}


def test_a_dashboard_that_was_edited_in_the_workspace_is_not_overwritten_without_force(
    deployed: Databricks, client: WorkspaceClient
) -> None:
    found = find_dashboard(client, deployed)
    edited = Dashboard(serialized_dashboard='{"pages": []}')
    client.lakeview.update(str(found.dashboard_id), edited)
    refused = deployed.call("bundle", "deploy")
    assert refused.status == 1
    assert "modified remotely" in refused.err
    deployed.succeed("bundle", "deploy", "--force")
    again = find_dashboard(client, deployed)
    assert json.loads(again.serialized_dashboard or "")["datasets"]
    assert set(actions(deployed).values()) == {"skip"}


def test_a_deployed_alert_is_paused_in_development(
    deployed: Databricks, client: WorkspaceClient
) -> None:
    alert = client.alerts_v2.get_alert(read_id(deployed, "alerts", "low"))
    assert alert.display_name == "[dev laptop] low"
    assert alert.schedule.pause_status is SchedulePauseStatus.PAUSED
    assert alert.evaluation.threshold is not None
    assert alert.evaluation.threshold.value is not None
    assert alert.evaluation.threshold.value.double_value == 0


def test_a_production_target_grants_them_to_readers(
    databricks: Databricks, client: WorkspaceClient
) -> None:
    target = ("-t", "prod")
    databricks.succeed("bundle", "deploy", *target)
    dashboard = read_id(databricks, "dashboards", "seen", *target)
    alert = read_id(databricks, "alerts", "low", *target)
    for kind, number in (("dashboards", dashboard), ("alertsv2", alert)):
        granted = client.permissions.get(kind, number).as_dict()["access_control_list"]
        assert level(granted, "group_name", "readers") == "CAN_READ"
    run_as = client.alerts_v2.get_alert(alert).run_as
    assert run_as is not None
    assert run_as.service_principal_name == "laptop@localhost"
    assert set(actions(databricks, *target).values()) == {"skip"}


def test_a_destroy_trashes_the_dashboard_and_deletes_the_alert(
    databricks: Databricks, client: WorkspaceClient
) -> None:
    databricks.succeed("bundle", "deploy")
    in_dev = read_id(databricks, "dashboards", "seen"), read_id(databricks, "alerts", "low")
    databricks.succeed("bundle", "destroy", "--auto-approve")
    assert client.lakeview.get(in_dev[0]).lifecycle_state is LifecycleState.TRASHED
    with pytest.raises(NotFound, match="Alert"):
        client.alerts_v2.get_alert(in_dev[1])
