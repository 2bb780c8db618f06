from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, NotImplemented
from databricks.sdk.service.sql import (
    Aggregation,
    AlertEvaluationState,
    AlertLifecycleState,
    AlertV2,
    AlertV2Evaluation,
    AlertV2Notification,
    AlertV2Operand,
    AlertV2OperandColumn,
    AlertV2OperandValue,
    AlertV2Subscription,
    ComparisonOperator,
    CronSchedule,
    SchedulePauseStatus,
)

EVALUATION = AlertV2Evaluation(
    source=AlertV2OperandColumn(name="n", aggregation=Aggregation.MAX),
    comparison_operator=ComparisonOperator.GREATER_THAN,
    threshold=AlertV2Operand(value=AlertV2OperandValue(double_value=0.0)),
    empty_result_state=AlertEvaluationState.TRIGGERED,
    notification=AlertV2Notification(
        notify_on_ok=True, subscriptions=[AlertV2Subscription(user_email="ann@example.com")]
    ),
)
ALERT = AlertV2(
    display_name="high",
    query_text="SELECT 1 AS n",
    warehouse_id="laptop",
    evaluation=EVALUATION,
    schedule=CronSchedule("0 0 7 * * ?", "UTC"),
)


@pytest.fixture
def made(client: WorkspaceClient) -> Iterator[AlertV2]:
    alert = client.alerts_v2.create_alert(ALERT)
    yield alert
    client.alerts_v2.trash_alert(str(alert.id), purge=True)


def test_an_alert_is_shown_as_it_was_made(client: WorkspaceClient, made: AlertV2) -> None:
    found = client.alerts_v2.get_alert(str(made.id))
    assert found.evaluation == EVALUATION
    assert found.lifecycle_state is AlertLifecycleState.ACTIVE
    assert found.owner_user_name == "laptop@localhost"
    assert found.effective_run_as is not None
    assert str(made.id) in {each.id for each in client.alerts_v2.list_alerts(page_size=1)}


def test_an_update_changes_what_its_mask_names(client: WorkspaceClient, made: AlertV2) -> None:
    number = str(made.id)
    other = replace(
        ALERT,
        display_name="other",
        schedule=CronSchedule("0 0 9 * * ?", "Europe/Paris", SchedulePauseStatus.PAUSED),
    )
    changed = client.alerts_v2.update_alert(number, other, "schedule.pause_status")
    assert changed.display_name == "high"
    wanted = CronSchedule("0 0 7 * * ?", "UTC", SchedulePauseStatus.PAUSED)
    assert changed.schedule == wanted
    changed = client.alerts_v2.update_alert(number, other, "*")
    assert (changed.display_name, changed.schedule) == ("other", other.schedule)
    assert changed.create_time == made.create_time
    with pytest.raises(BadRequest, match="update_mask must name the fields"):
        client.alerts_v2.update_alert(number, other, "")
    with pytest.raises(BadRequest, match="update_mask names 'owner_user_name'"):
        client.alerts_v2.update_alert(number, other, "owner_user_name")
    with pytest.raises(BadRequest, match="'parent_path' of an alert cannot be changed"):
        client.alerts_v2.update_alert(number, replace(other, parent_path="/Shared"), "*")


def test_a_trashed_alert_is_kept_and_not_listed_and_a_purged_one_is_gone(
    client: WorkspaceClient,
) -> None:
    number = str(client.alerts_v2.create_alert(ALERT).id)
    client.alerts_v2.trash_alert(number)
    assert client.alerts_v2.get_alert(number).lifecycle_state is AlertLifecycleState.DELETED
    assert number not in {each.id for each in client.alerts_v2.list_alerts()}
    client.alerts_v2.trash_alert(number, purge=True)
    with pytest.raises(NotFound, match="Alert"):
        client.alerts_v2.get_alert(number)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"warehouse_id": "none"}, NotFound, "Warehouse 'none'"),
        ({"parent_path": "/Users/none"}, NotFound, "doesn't exist"),
        ({"query_text": ""}, BadRequest, "'query_text' is required"),
        ({"schedule": CronSchedule("7 * * *", "UTC")}, BadRequest, "6 or 7 fields; got 4"),
        ({"evaluation": replace(EVALUATION, threshold=None)}, BadRequest, "evaluation.threshold"),
        (
            {
                "evaluation": replace(
                    EVALUATION,
                    notification=AlertV2Notification(
                        subscriptions=[AlertV2Subscription(destination_id="1")]
                    ),
                )
            },
            NotImplemented,
            "Notification destinations are not supported",
        ),
    ],
)
def test_what_cannot_be_an_alert_is_refused(
    client: WorkspaceClient, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        client.alerts_v2.create_alert(replace(ALERT, **change))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"parameters": [{"name": "p"}]}, NotImplemented, "Field 'parameters' of an alert"),
        ({"evaluation": {"comparison_operator": "NEAR"}}, BadRequest, "'source' is required"),
        (
            {
                "evaluation": {
                    "source": {"name": "n", "aggregation": "MODE"},
                    "comparison_operator": "EQUAL",
                }
            },
            BadRequest,
            "'aggregation' is 'MODE'; allowed: AVG",
        ),
    ],
)
def test_what_the_client_cannot_say_is_refused_too(
    client: WorkspaceClient, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    body = {**ALERT.as_dict(), **change}
    with pytest.raises(error, match=words):
        client.api_client.do("POST", "/api/2.0/alerts", body=body)
