import json
from collections.abc import Iterator

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    Aborted,
    BadRequest,
    NotFound,
    NotImplemented,
    ResourceAlreadyExists,
)
from databricks.sdk.service.dashboards import CronSchedule as Cron
from databricks.sdk.service.dashboards import Dashboard, LifecycleState, Schedule

HOME = "/Users/laptop@localhost"
TEXT = json.dumps({"datasets": [{"name": "a", "queryLines": ["SELECT 1"]}], "pages": []})


@pytest.fixture
def draft(client: WorkspaceClient) -> Iterator[Dashboard]:
    made = client.lakeview.create(
        Dashboard(display_name="drawn", serialized_dashboard=TEXT, warehouse_id="laptop")
    )
    yield made
    if client.lakeview.get(str(made.dashboard_id)).lifecycle_state is LifecycleState.ACTIVE:
        client.lakeview.trash(str(made.dashboard_id))


def datasets(found: Dashboard) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = json.loads(found.serialized_dashboard or "")["datasets"]
    return listed


def test_each_update_sets_the_place_of_the_datasets_and_another_etag(
    client: WorkspaceClient, draft: Dashboard
) -> None:
    number = str(draft.dashboard_id)
    assert draft.path == f"{HOME}/drawn.lvdash.json"
    changed = client.lakeview.update(
        number,
        Dashboard(display_name="other", serialized_dashboard=TEXT, etag=draft.etag),
        dataset_catalog="dev",
        dataset_schema="lake",
    )
    assert changed.etag != draft.etag
    assert changed.path == f"{HOME}/other.lvdash.json"
    (dataset,) = datasets(client.lakeview.get(number))
    assert (dataset["catalog"], dataset["schema"]) == ("dev", "lake")
    with pytest.raises(Aborted, match="has been modified"):
        client.lakeview.update(number, Dashboard(serialized_dashboard=TEXT, etag=draft.etag))


def test_what_is_published_is_dated_after_the_draft_until_that_changes(
    client: WorkspaceClient, draft: Dashboard
) -> None:
    number = str(draft.dashboard_id)
    with pytest.raises(NotFound, match="Unable to find published dashboard"):
        client.lakeview.get_published(number)
    published = client.lakeview.publish(number, embed_credentials=False, warehouse_id="laptop")
    assert str(published.revision_create_time) >= str(draft.update_time)
    assert client.lakeview.get_published(number) == published
    client.lakeview.unpublish(number)
    with pytest.raises(NotFound):
        client.lakeview.get_published(number)


def test_the_trash_is_listed_only_when_asked_for(client: WorkspaceClient, draft: Dashboard) -> None:
    number = str(draft.dashboard_id)
    client.lakeview.publish(number)
    assert number in {each.dashboard_id for each in client.lakeview.list(page_size=1)}
    client.lakeview.trash(number)
    assert number not in {each.dashboard_id for each in client.lakeview.list()}
    assert number in {each.dashboard_id for each in client.lakeview.list(show_trashed=True)}
    assert client.lakeview.get(number).lifecycle_state is LifecycleState.TRASHED
    with pytest.raises(NotFound):
        client.lakeview.get_published(number)
    with pytest.raises(NotFound):
        client.lakeview.update(number, Dashboard(display_name="back"))


@pytest.mark.parametrize(
    ("wanted", "error", "words"),
    [
        (Dashboard(display_name="x", warehouse_id="none"), NotFound, "Warehouse 'none'"),
        (Dashboard(display_name="x", parent_path="/Workspace/none"), NotFound, "doesn't exist"),
        (Dashboard(display_name="x", serialized_dashboard="{"), BadRequest, "must be JSON"),
        (Dashboard(display_name="x", serialized_dashboard="[]"), BadRequest, "JSON object"),
        (Dashboard(serialized_dashboard="{}"), BadRequest, "'display_name' is required"),
        (Dashboard(display_name="drawn"), ResourceAlreadyExists, "already exists"),
    ],
)
@pytest.mark.usefixtures("draft")
def test_what_cannot_be_a_dashboard_is_refused(
    client: WorkspaceClient, wanted: Dashboard, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        client.lakeview.create(wanted)


def test_a_dashboard_cannot_move_or_be_published_without_a_warehouse(
    client: WorkspaceClient, draft: Dashboard
) -> None:
    with pytest.raises(BadRequest, match="'parent_path' of a dashboard cannot be changed"):
        client.lakeview.update(str(draft.dashboard_id), Dashboard(parent_path="/Shared"))
    bare = client.lakeview.create(Dashboard(display_name="bare"))
    with pytest.raises(BadRequest, match="give warehouse_id"):
        client.lakeview.publish(str(bare.dashboard_id))
    client.lakeview.trash(str(bare.dashboard_id))


def test_schedules_of_dashboards_are_not_built(client: WorkspaceClient, draft: Dashboard) -> None:
    schedule = Schedule(cron_schedule=Cron("0 0 7 * * ?", "UTC"))
    with pytest.raises(NotImplemented, match="not supported on the laptop"):
        client.lakeview.create_schedule(str(draft.dashboard_id), schedule)
